n=$src/tests/conformance/networks
lycoris convert --algo full "$n/dora_attn_only.safetensors" -o x.safetensors 2>&1 | sed 's/^.*dora_attn/dora_attn/'
lycoris convert --algo full --base "$n/base_network.safetensors" "$n/dora_attn_only.safetensors" -o full.safetensors
lycoris convert --algo full --base "$n/base_network.safetensors" "$n/ia3_regex_preset.safetensors" -o ia3.safetensors
lycoris convert --for diffusers --rank 4 --base "$n/base_network.safetensors" "$n/ia3_regex_preset.safetensors" --dry-run
lycoris convert --algo full --base missing "$n/dora_attn_only.safetensors" -o x.safetensors; echo $?
cp "$n/base_network.safetensors" base.safetensors
lycoris convert --algo full --base base.safetensors "$n/dora_attn_only.safetensors" -o base.safetensors -f; echo $?
cp "$src/examples/adapter/adapter.safetensors" other.safetensors
lycoris convert --algo full --base other.safetensors "$n/dora_attn_only.safetensors" -o x.safetensors 2>&1 | sed 's/^.*dora_attn/dora_attn/'
ls
