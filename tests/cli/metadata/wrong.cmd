cp "$src/examples/adapter/adapter.safetensors" a.safetensors
cp a.safetensors same.safetensors
lycoris metadata a.safetensors --trigger x; echo $?
lycoris metadata a.safetensors -o b; echo $?
lycoris metadata a.safetensors --set novalue -i; echo $?
lycoris metadata a.safetensors --unset not.there -i; echo $?
lycoris metadata a.safetensors --thumbnail a.safetensors -i; echo $?
lycoris metadata a.safetensors --title x -o a.safetensors -f; echo $?
cmp a.safetensors same.safetensors
ls
