cp "$src/examples/adapter/adapter.safetensors" a.safetensors; f=a.safetensors
lycoris split-dylora "$f" -o part.safetensors; echo $?
lycoris metadata "$f" --set ss_network_args='{"algo": "dylora", "unit": "2"}' -o trained.safetensors -q
lycoris split-dylora trained.safetensors -o part.safetensors
lycoris split-dylora --unit 1 trained.safetensors -o part.safetensors; echo $?
lycoris split-dylora --unit 1 --keep-scale trained.safetensors -o part.safetensors -f --json
lycoris inspect part-0003.safetensors | grep options
lycoris split-dylora --unit 4 trained.safetensors -o part.safetensors; echo $?
lycoris split-dylora trained.safetensors; echo $?
lycoris split-dylora missing -o part.safetensors; echo $?
lycoris split-dylora trained.safetensors -o dry.safetensors --dry-run
ls
