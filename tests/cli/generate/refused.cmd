# One message each, before the model is read or a step is made; nothing is written.
m="-q -m $src/tests/conformance/models/tiny_sd15 -o out"
echo text >text.png
run() { lycoris generate "$@"; echo $?; }
run -p fox
run -q -m nothing -p fox -o out
run -q -m text.png -p fox -o out
run $m
run $m -p fox --prompts list
run $m -p fox --sampler eulr_a
run $m -p fox --sampler "ddim karras"
run $m -p fox -W 8
run $m -p fox --steps 0
run $m -p fox --strength 2
run $m -p fox --guidance-scale -1
run $m -p fox --init-image text.png
run $m -p fox --mask text.png
run $m -p fox --controlnet a
run $m -p fox -c 2 -o one.png
run -q -m "$src/tests/conformance/models/tiny_sd15" -p fox -o none/one.png -W 64 -H 64 --steps 1
run -q -m "$src/tests/conformance/models/tiny_sd15" -p fox -o text.png/x
ls
