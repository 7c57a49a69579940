ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
pty lycoris inspect --keys --color never examples/adapter/adapter.safetensors | tr -d '\r' | tail -n 3
