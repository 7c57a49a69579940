f=$src/examples/adapter/adapter.safetensors
lycoris convert "$f"; echo $?
lycoris convert "$f" -o x; echo $?
lycoris convert --to kohja "$f" -o x; echo $?
lycoris convert --for comfi "$f" -o x; echo $?
lycoris convert --for comfyui missing -o x; echo $?
ls
