ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
pty lycoris inspect --keys --all --color never examples/adapter/adapter.safetensors | tr -d '\r' | wc -l
