# Two signals at once: the second one ends the program wherever it is.
make() { printf '%b\0\0\0\0\0\0\0%s' "\\0$(printf %03o ${#1})" "$1"; }
make '{"a":{"dtype":"U8","shape":[400000000000],"data_offsets":[0,400000000000]}}' >a.safetensors
truncate -s $((400000000000 + $(wc -c <a.safetensors))) a.safetensors || exit 0
touch err
lycoris inspect --hash --progress json a.safetensors >out 2>err &
while ! grep -q hashing err; do sleep 0.05; done
kill -TERM $!
kill -INT $!
wait $!
echo "status $?"
