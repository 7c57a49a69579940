m="-q -m $src/tests/conformance/models/tiny_sd15 --steps 2 -W 64 -H 64"
printf '# comment\n\na fox --d 1,2 --f fox --s 3\ncaf\303\251 --n bad --l 3 --d 4 --ss heun\n' >list
lycoris generate $m --prompts list -o out --json | grep -v '"parameters"'
for line in 'a --q 1' 'a --w 8' 'a --d x' 'a --f ../x' '# nothing' 'a --s 2.5'; do
    echo "$line" >bad
    lycoris generate $m --prompts bad -o out
    echo $?
done
