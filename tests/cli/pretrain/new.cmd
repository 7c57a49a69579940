printf 'a turtle in the snow\n' >words.txt
lycoris pretrain new --config "$src/models/emoji/config" --captions words.txt --frequent 0 -m small
lycoris pretrain new --config "$src/models/emoji/config" --captions words.txt -m small; echo $?
lycoris pretrain new --config "$src/models/emoji/config" --captions words.txt -m other --json --seed 3 | grep -v '"model"'
lycoris inspect small/text_encoder/model.safetensors | head -n 1
find small -type f | sort
