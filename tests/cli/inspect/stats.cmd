ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --stats --key '*attn1_to_q*' examples/adapter/adapter.safetensors
