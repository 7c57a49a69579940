t=$src/tests/conformance
cp "$t/networks/base_network.safetensors" b.safetensors
cp "$t/tools/tuned_network.safetensors" n.safetensors
lycoris extract b.safetensors n.safetensors; echo $?
lycoris extract b.safetensors -o x; echo $?
lycoris extract b.safetensors missing -o x; echo $?
lycoris extract b.safetensors b.safetensors -o x; echo $?
lycoris extract b.safetensors n.safetensors -o b.safetensors; echo $?
lycoris extract b.safetensors n.safetensors -o b.safetensors -f; echo $?
lycoris extract b.safetensors n.safetensors --mode ratio --value 2 -o x; echo $?
cp "$src/examples/adapter/adapter.safetensors" a.safetensors
lycoris extract b.safetensors a.safetensors -o x; echo $?
cmp b.safetensors "$t/networks/base_network.safetensors"
ls
