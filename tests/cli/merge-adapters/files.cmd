t=$src/tests/conformance/tools
n=$src/tests/conformance/networks
ln -s "$t"/lora_A.safetensors a.safetensors
ln -s "$t"/lora_B.safetensors b.safetensors
ln -s "$n"/lokr_factor8_attn_mlp.safetensors lokr.safetensors
# Exactly, and again: it exists.
lycoris merge-adapters -q a.safetensors:0.7 b.safetensors:1:1:0 -o ab.safetensors
lycoris merge-adapters -q a.safetensors:0.7 b.safetensors:1:1:0 -o ab.safetensors; echo $?
# Other tools read it: as it is, in other ranks, for other programs, into a model.
lycoris inspect ab.safetensors | sed -n 's/^  adapters/&/p'
lycoris verify ab.safetensors | head -n 3
lycoris resize -q --rank 4 ab.safetensors -o small.safetensors | sed -n 2p
lycoris convert -q --to diffusers ab.safetensors -o diffusers.safetensors | tail -n 1
lycoris merge -q "$n"/base_network.safetensors ab.safetensors -o model.safetensors
lycoris hash --check ab.safetensors > hash; echo $?
# Merging the result again with the opposite leaves nothing.
lycoris merge-adapters -q -m svd --rank 12 ab.safetensors a.safetensors:-0.7 b.safetensors:-1:1:0 -o zero.safetensors --dtype float --json |
  grep -c '"rank": 12'
# Any algorithm.
lycoris merge-adapters -q a.safetensors lokr.safetensors -o mixed.safetensors --algo full
lycoris merge-adapters -q -m ties --density 0.3 -r 4 a.safetensors b.safetensors lokr.safetensors --dry-run
lycoris merge-adapters -q -m dare --seed 7 --block-weights 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1 a.safetensors b.safetensors -o dare.safetensors > out1
lycoris merge-adapters -q -m dare --seed 7 a.safetensors b.safetensors -o dare2.safetensors > out2
lycoris metadata --set modelspec.title=x dare.safetensors -o d1 > /dev/null
lycoris metadata --set modelspec.title=x dare2.safetensors -o d2 > /dev/null
cmp d1 d2 && echo same
lycoris merge-adapters -q -m sum --compat-sd-scripts a.safetensors b.safetensors --dry-run --json | head -n 8
ls
