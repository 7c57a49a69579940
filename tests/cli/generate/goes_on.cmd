# A second run makes what is missing, and nothing is replaced that was made otherwise.
m="-q -m $src/tests/conformance/models/tiny_sd15 -s 1 --steps 2 -W 64 -H 64 -o out"
lycoris generate $m -p fox
before=$(cksum <out/00000-1.png)
lycoris generate $m -p fox -c 2
[ "$before" = "$(cksum <out/00000-1.png)" ] && echo same
lycoris generate $m -p cat
echo $?
lycoris generate $m -p cat -f
[ "$before" = "$(cksum <out/00000-1.png)" ] || echo changed
