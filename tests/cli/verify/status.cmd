f=$src/examples/adapter/adapter.safetensors
lycoris verify --for comfyui,sdcpp "$f" >/dev/null; echo $?
lycoris verify --for peft "$f" 2>/dev/null >/dev/null; echo $?
lycoris verify --json --for lycoris "$f" | grep -v '"file"'
