ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
lycoris inspect --json --meta --hash --stats damaged/*.safetensors examples/adapter/adapter.safetensors >all.json 2>errors
json_check files 0 path <all.json
json_check files 21 error <all.json
json_check files 56 tensors 3 name <all.json
wc -l <errors
