cp "$src/examples/adapter/adapter.safetensors" a.safetensors
printf '\211PNG\r\n\032\nxyz' >p.png
lycoris metadata a.safetensors --trigger "sks fox" --title Fox --thumbnail p.png --set ss_training_comment=new -o b.safetensors
lycoris metadata b.safetensors
lycoris inspect --hash --json a.safetensors | grep '"model"'
lycoris inspect --hash --json b.safetensors | grep '"model"'
lycoris inspect --hash b.safetensors | grep -i differ
lycoris metadata b.safetensors --unset modelspec.title -i && lycoris metadata b.safetensors --json | grep title
lycoris metadata b.safetensors --sidecars
cmp p.png b.preview.png && cat b.json
lycoris metadata b.safetensors --sidecars; echo $?
ls
