# Names and metadata that a terminal must not obey.
make() { printf '%b\0\0\0\0\0\0\0%s' "\\0$(printf %03o ${#1})" "$1"; }
make '{"__metadata__":{"k\u001b]0;x\u0007":"v\u202e\u001b[31m\n\ud83d\ude00","é":"\u0000\u009b"},"\u202eab":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' >a.safetensors
printf x >>a.safetensors
lycoris inspect --meta --keys a.safetensors
lycoris inspect --meta --keys --json a.safetensors | tee a.json
json_check files 0 metadata <a.json
