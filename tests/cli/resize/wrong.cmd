cp "$src/examples/adapter/adapter.safetensors" a.safetensors
f=a.safetensors
lycoris resize "$f"; echo $?
lycoris resize --rank 0 "$f" -o x; echo $?
lycoris resize --rank 99 "$f" -o x; echo $?
lycoris resize --method sv_ratio --param 0.5 "$f" -o x; echo $?
lycoris resize missing -o x; echo $?
lycoris resize "$f" -o "$f" -f; echo $?
ls
