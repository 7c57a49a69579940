t=$src/tests/conformance
b=$t/networks/base_network.safetensors
n=$t/tools/tuned_network.safetensors
lycoris extract "$b" "$n" --rank 4 -o e.safetensors
lycoris extract "$b" "$n" --rank 4 -o e.safetensors; echo $?
lycoris inspect e.safetensors | grep 'adapters\|for \|options'
lycoris extract "$b" "$n" --mode full -o f.safetensors --no-text
lycoris extract "$b" "$n" --mode ratio --value 0.5 --cp --sparse-bias --dry-run
lycoris extract "$b" "$n" --algo lokr --rank 2 --dry-run --json | head -n 9 | grep -v 'energy\|error'
lycoris extract "$b" "$n" --rank 1 --norms --bias --dry-run --layers | grep -c norm
lycoris resize e.safetensors --rank 2 -o r.safetensors | head -n 2
ls
