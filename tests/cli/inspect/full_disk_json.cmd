ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --json examples/adapter/adapter.safetensors >/dev/full
