# Picture k of a request is the picture of a request for it alone.
m="-q -m $src/tests/conformance/models/tiny_sd15 -p fox --steps 2 -W 64 -H 64 --sampler euler_a"
lycoris generate $m -s 5 -c 3 -o all
lycoris generate $m -s 7 -o one.png
cmp all/00000-7.png one.png && echo same
