# An adapter in a model's weights: the report, two adapters, the same as JSON; nothing is there after an error.
n=$src/tests/conformance/networks
cp "$n/base_network.safetensors" model.safetensors
cp "$n/lokr_factor8_attn_mlp.safetensors" a:1.safetensors
cp "$n/dora_attn_only.safetensors" b.safetensors
lycoris merge -q model.safetensors a:1.safetensors:0.8 -o one.safetensors
lycoris merge -q model.safetensors a:1.safetensors:0.8:1:0 b.safetensors -o two.safetensors --json >report.json
json_check adapters 1 merged <report.json
lycoris merge -q model.safetensors a:1.safetensors -o dry.safetensors --dry-run
lycoris inspect -q one.safetensors | sed -n 1p
run() { lycoris merge -q "$@"; echo $?; }
run model.safetensors
run model.safetensors a:1.safetensors
run model.safetensors a:1.safetensors -o one.safetensors
run model.safetensors a:1.safetensors -o model.safetensors --force
run model.safetensors model.safetensors -o x.safetensors
run model.safetensors a:1.safetensors:1e9 --dtype fp16 -o x.safetensors
run model.safetensors a:1.safetensors -o none/x.safetensors
ls
