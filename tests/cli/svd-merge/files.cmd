ln -s "$src"/tests/conformance/tools/lora_A.safetensors a.safetensors
ln -s "$src"/tests/conformance/tools/lora_C.safetensors c.safetensors
# The options of svd_merge_lora.py, in both spellings.
lycoris svd-merge -q --new_rank 4 --new_conv_rank 3 --save_precision float a.safetensors:0.8 c.safetensors:0.5 -o svd.safetensors
lycoris inspect svd.safetensors | sed -n 's/^  adapters/&/p; s/^  options/&/p'
lycoris svd-merge -q --new-rank 4 --lbws '[0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0]' a.safetensors -o mid.safetensors --layers | head -n 2
lycoris svd-merge -q --new-rank 4 --clamp-quantile 0.99 a.safetensors c.safetensors --dry-run | tail -n 2
lycoris svd-merge; echo $?
ls
