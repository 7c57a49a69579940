ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --key '*attn1_to_q.alpha' --key '*attn1_to_k.lora_up*' examples/adapter/adapter.safetensors
