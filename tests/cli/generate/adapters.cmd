# Adapters by file and by name in a prompt are the same; a file name may have colons; what is refused.
m=$src/tests/conformance/models/tiny_sd15
mkdir pics adapters
g() { lycoris generate -q -m "$m" -s 1 --steps 2 -W 64 -H 64 --no-metadata "$@"; }
g -p "a disc" -o pics/1.png
lycoris train -q -m "$m" --image_dir pics --class_tokens "a disc" --network_args algo=lora preset=attn-mlp --network_dim 2 --learning_rate 0.1 --max_train_steps 3 --resolution 64 --seed 1 -o adapters --output_name 'a:1'
g -p fox -o plain.png
g -p fox -o full.png -a adapters/a:1.safetensors
g -p fox -o zero.png -a adapters/a:1.safetensors:0
g -p fox -o half.png -a adapters/a:1.safetensors:0.5:1:2
g -p 'fox <lora:a1:0.5:1>' -o named.png --adapter-dir adapters
cp adapters/a:1.safetensors adapters/a1.safetensors
g -p 'fox <lora:a1:0.5:1>' -o named.png --adapter-dir .
cmp -s plain.png zero.png && echo zero is plain
cmp -s plain.png full.png || echo full is another
cmp -s half.png named.png && echo named is half
g -p fox -o x.png -a missing.safetensors:2
cp "$src/examples/adapter/adapter.safetensors" large.safetensors
g -p fox -o x.png -a large.safetensors
g -p fox -o x.png --adapter 
lycoris generate -m "$m" -p fox -s 1 --dry-run -W 64 -H 64 -a adapters/a1.safetensors:0.5 --json
