t=$src/tests/conformance/tools
cp "$t"/lora_A.safetensors a.safetensors
cp "$t"/../networks/dora_attn_only.safetensors dora.safetensors
lycoris merge-adapters a.safetensors; echo $?
lycoris merge-adapters -o x; echo $?
lycoris merge-adapters a.safetensors missing -o x; echo $?
lycoris merge-adapters a.safetensors -o a.safetensors -f; echo $?
lycoris merge-adapters a.safetensors -o ./a.safetensors; echo $?
lycoris merge-adapters a.safetensors -o missing/x; echo $?
lycoris merge-adapters -q a.safetensors dora.safetensors -o x; echo $?
lycoris merge-adapters -m best a.safetensors -o x; echo $?
lycoris merge-adapters -m ties --density 0 a.safetensors -o x; echo $?
lycoris merge-adapters --rank 4 a.safetensors -o x; echo $?
lycoris merge-adapters --block-weights 1,2 a.safetensors -o x; echo $?
lycoris merge-adapters --block-weights 1,x a.safetensors -o x; echo $?
lycoris merge-adapters --block-weights 1 --block-weights 1 a.safetensors -o x; echo $?
lycoris merge-adapters a.safetensors:0 -o x; echo $?
lycoris merge-adapters a.safetensors:1e9 -o x; echo $?
head -c 20000 a.safetensors > short.safetensors
lycoris merge-adapters a.safetensors short.safetensors -o x; echo $?
ls
