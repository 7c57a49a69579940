f=$src/examples/adapter/adapter.safetensors
cp "$src/examples/adapter/embedding.safetensors" sks-step500.safetensors
lycoris bundle "$f" sks=sks-step500.safetensors -o turtle-bundle-500.safetensors
lycoris inspect turtle-bundle-500.safetensors | tail -n 1
lycoris inspect --json turtle-bundle-500.safetensors | grep '"embeddings"'
lycoris bundle turtle-bundle-500.safetensors --steps sks-step500.safetensors -o x.safetensors; echo $?
lycoris bundle --steps turtle-bundle-500.safetensors cat=sks-step500.safetensors -o more.safetensors --json
lycoris bundle "$f" sks-step500.safetensors --dry-run
lycoris unbundle more.safetensors -d out && ls out
lycoris unbundle turtle-bundle-500.safetensors -d . --steps
cmp sks-step500.safetensors sks-500.safetensors
lycoris unbundle turtle-bundle-500.safetensors -d . --steps; echo $?
lycoris unbundle turtle-bundle-500.safetensors -d . --steps -f --json
lycoris hash --check turtle-500.safetensors | tail -n 2
ls
