cp "$src/examples/adapter/adapter.safetensors" a.safetensors
lycoris unbundle a.safetensors; echo $?
lycoris unbundle a.safetensors -d out; echo $?
lycoris unbundle a.safetensors -d out --emb-format pt; echo $?
lycoris bundle a.safetensors a=$src/examples/adapter/embedding.safetensors -o b.safetensors -q
lycoris unbundle b.safetensors -d .; echo $?
lycoris unbundle b.safetensors -d no/such; echo $?
mkdir in && cp b.safetensors in/a.safetensors
lycoris unbundle in/a.safetensors -d out; echo $?
ls
