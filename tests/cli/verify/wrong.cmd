f=$src/examples/adapter/adapter.safetensors
lycoris verify; echo $?
lycoris verify --for comfy "$f"; echo $?
lycoris verify --for , "$f"; echo $?
lycoris verify missing.safetensors; echo $?
cd "$src" && lycoris verify tests/conformance/damaged/gap.safetensors; echo $?
