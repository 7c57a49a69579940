lycoris inspect nothing.safetensors
