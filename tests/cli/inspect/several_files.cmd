ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect damaged/ok_scalar.safetensors damaged/gap.safetensors damaged/ok_zero_tensors.safetensors
