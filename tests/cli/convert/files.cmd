f=$src/examples/adapter/adapter.safetensors
lycoris convert --to diffusers "$f" -o d.safetensors
lycoris convert --to kohya d.safetensors -o k.safetensors --json | head -n 12
lycoris convert --to kohya d.safetensors -o k.safetensors; echo $?
lycoris convert --dtype bf16 "$f" -o d.safetensors -f
lycoris convert --to peft "$f" -o folder && ls folder
lycoris convert --algo full "$f" --dry-run --layers | head -n 2
ls
