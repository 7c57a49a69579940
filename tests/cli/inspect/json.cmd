ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --json --meta --hash --stats --key '*attn1_to_q.lora_up*' examples/adapter/adapter.safetensors
