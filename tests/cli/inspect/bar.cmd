# The bar is drawn over itself and gone at the end.
make() { printf '%b\0\0\0\0\0\0\0%s' "\\0$(printf %03o ${#1})" "$1"; }
make '{"a":{"dtype":"U8","shape":[400000000000],"data_offsets":[0,400000000000]}}' >a.safetensors
truncate -s $((400000000000 + $(wc -c <a.safetensors))) a.safetensors || exit 0
pty -c 60 -i hashing: lycoris inspect --hash --color never a.safetensors >out
tr '\r' '\n' <out | sed 's/\x1b\[K/<clear>/g' | grep -a -q '^hashing:   0%|.*/800G \[.*B/s\]' && echo drawn
tr '\r' '\n' <out | sed 's/\x1b\[K/<clear>/g' | grep -a -c '^<clear>lycoris inspect: '
