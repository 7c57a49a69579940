make() { printf '%b\0\0\0\0\0\0\0%s' "\\0$(printf %03o ${#1})" "$1"; }
make '{"a":{"dtype":"U8","shape":[8000000],"data_offsets":[0,8000000]}}' >a.safetensors
head -c 8000000 /dev/zero >>a.safetensors
lycoris inspect --hash --progress json a.safetensors 2>err >out
tail -n 1 err | json_check label
tail -n 1 err | json_check finished
lycoris inspect --hash --quiet --progress json a.safetensors 2>&1 >out | wc -l
lycoris inspect --hash a.safetensors 2>&1 >out | wc -l
