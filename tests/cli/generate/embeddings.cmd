# What is no embedding of the model is refused before anything is computed; a '=' in a path is part of it.
m=$src/tests/conformance/models/tiny_sd15
g() { lycoris generate -q -m "$m" -p fox -s 1 --steps 2 -W 64 -H 64 -o x.png "$@"; echo $?; }
g --embedding missing.safetensors
g --embedding =x.safetensors
mkdir a=b
cp "$src/examples/adapter/adapter.safetensors" a=b/word.safetensors
g --embedding ./a=b/word.safetensors
g --embedding word=./a=b/word.safetensors
ls
