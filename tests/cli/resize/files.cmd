f=$src/examples/adapter/adapter.safetensors
lycoris resize --rank 2 "$f" -o r.safetensors
lycoris resize --rank 2 "$f" -o r.safetensors; echo $?
lycoris resize --rank 2 "$f" -o r.safetensors -f --json | grep -v '"energy"\|"error"\|"sum"' | head -n 10
lycoris resize --rank 3 --method sv_fro --param 0.8 "$f" --dry-run --layers | grep -c 'energy kept\|% of the energy'
lycoris resize --rank 8 --allow-grow "$f" -o g.safetensors | head -n 2
lycoris inspect g.safetensors | grep -c 'rank 8'
ls
