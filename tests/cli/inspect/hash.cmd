ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --hash examples/adapter/adapter.safetensors
