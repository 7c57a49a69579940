cp "$src/examples/adapter/adapter.safetensors" a.safetensors
lycoris hash a.safetensors
lycoris metadata a.safetensors --set sshs_model_hash=00 -o b.safetensors
lycoris convert --dtype bf16 a.safetensors -o c.safetensors >/dev/null
lycoris hash --check a.safetensors c.safetensors | grep sshs; echo $?
lycoris hash --check b.safetensors >/dev/null; echo $?
lycoris hash --json a.safetensors | sed -n 4,9p
lycoris hash; echo $?
lycoris hash missing; echo $?
