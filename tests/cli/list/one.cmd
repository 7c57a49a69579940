lycoris list adapters lokr --json
lycoris list adapters lora
