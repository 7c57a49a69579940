ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
pty lycoris inspect damaged/ok_scalar.safetensors | tr -d '\r' | sed 's/\x1b/ESC/g'
