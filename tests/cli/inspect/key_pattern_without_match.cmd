ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --key nothing damaged/ok_scalar.safetensors
