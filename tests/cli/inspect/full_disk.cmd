ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --stats examples/adapter/adapter.safetensors >/dev/full
