ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --keys damaged/ok_all_types.safetensors
