ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --keys examples/adapter/adapter.safetensors | wc -l
