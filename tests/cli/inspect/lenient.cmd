ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --lenient damaged/data_too_long.safetensors
