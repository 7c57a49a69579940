make() { printf '%b\0\0\0\0\0\0\0%s' "\\0$(printf %03o ${#1})" "$1"; }
make '{"good":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"bad":{"dtype":"F32","shape":[3],"data_offsets":[8,20]},"none":{"dtype":"F16","shape":[0],"data_offsets":[20,20]},"copy":{"dtype":"F8_E5M2FNUZ","shape":[1],"data_offsets":[20,21]}}' >a.safetensors
printf '\0\0\200\77\0\0\0\300\0\0\300\177\0\0\200\177\0\0\0\101x' >>a.safetensors
lycoris inspect --stats a.safetensors
lycoris inspect --stats --quiet --json a.safetensors | json_check files 0 tensors
