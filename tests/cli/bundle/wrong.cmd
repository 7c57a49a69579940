f=$src/examples/adapter/adapter.safetensors
cp "$src/examples/adapter/embedding.safetensors" sks.safetensors
cp "$src/examples/adapter/embedding.safetensors" sks-7.safetensors
printf 'PK\003\004classic' >old.pt
lycoris bundle "$f" -o x; echo $?
lycoris bundle "$f" sks.safetensors; echo $?
lycoris bundle "$f" v1.5=sks.safetensors -o x; echo $?
lycoris bundle "$f" =sks.safetensors -o x; echo $?
lycoris bundle "$f" sks.safetensors sks=sks-7.safetensors -o x; echo $?
lycoris bundle "$f" old.pt -o x; echo $?
lycoris bundle old.pt sks.safetensors -o x; echo $?
lycoris bundle sks.safetensors sks-7.safetensors -o x -f; echo $?
cp "$f" a.safetensors
lycoris bundle sks.safetensors a.safetensors -o x; echo $?
lycoris bundle --steps a.safetensors sks-7.safetensors -o x; echo $?
lycoris bundle a.safetensors missing -o x; echo $?
lycoris bundle a.safetensors sks.safetensors -o sks.safetensors -f; echo $?
lycoris bundle a.safetensors ./sks.safetensors -o b.safetensors && lycoris bundle b.safetensors sks.safetensors -o x; echo $?
ls
