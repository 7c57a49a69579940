ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect damaged/gap.safetensors 2>/dev/null
