#!/bin/sh
# paper_configs.sh PROGRAM MODEL FOLDER [STEPS] - the 26 configurations of the LyCORIS paper for a few steps each
#
# MODEL: a file of SD 1.5 (bench/make_checkpoint makes one of random weights). Writes a table of Markdown to standard
# output: trained parameters, seconds a step, peak memory; files and logs go to FOLDER. Settings are those of the
# published TOML files (LyCORIS-evaluation, exp_configs), but for the resolution, 128 pixels, and the number of steps.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
program=$1 model=$2 folder=$3 steps=${4:-3}
mkdir -p "$folder/data/1_disc"
[ -f "$folder/data/1_disc/8.png" ] || for i in 1 2 3 4 5 6 7 8; do
    # Grey noise as a binary pixmap: what is on pictures does not matter here.
    { printf 'P6\n128 128\n255\n'; head -c 49152 /dev/urandom; } >"$folder/$i.ppm"
    vips copy "$folder/$i.ppm" "$folder/data/1_disc/$i.png"
    echo "a disc, number $i" >"$folder/data/1_disc/$i.txt"
done

# name algorithm preset rate dim alpha factor
configurations() {
    cat <<'LIST'
1001-lora8a4 lora attn-mlp 5e-4 8 4 -
1002-lora32a16 lora attn-mlp 5e-4 32 16 -
1003-lora32a1 lora attn-mlp 5e-4 32 1 -
1004-lora8a4-full lora full 5e-4 8 4 -
1005-lora8a4-attnonly lora attn-only 5e-4 8 4 -
1006-lora8a4-lr1e-4 lora attn-mlp 1e-4 8 4 -
1008-lora8a4-lr1e-3 lora attn-mlp 1e-3 8 4 -
1011-loha4a2 loha attn-mlp 5e-4 4 2 -
1012-loha16a8 loha attn-mlp 5e-4 16 8 -
1013-loha16a1 loha attn-mlp 5e-4 16 1 -
1014-loha4a2-full loha full 5e-4 4 2 -
1015-loha4a2-attnonly loha attn-only 5e-4 4 2 -
1016-loha4a2-lr1e-3 loha attn-mlp 1e-3 4 2 -
1018-loha4a2-lr1e-4 loha attn-mlp 1e-4 4 2 -
1021-lokrf8 lokr attn-mlp 5e-4 10000 1 8
1022-lokrf4 lokr attn-mlp 5e-4 10000 1 4
1023-lokrconf12 lokr attn-mlp 5e-4 10000 1 12
1024-lokr8-full lokr full 5e-4 10000 1 8
1025-lokrf8-attnonly lokr attn-only 5e-4 10000 1 8
1026-lokrf8-lr1e-3 lokr attn-mlp 1e-3 10000 1 8
1028-lokrf8-lr1e-4 lokr attn-mlp 1e-4 10000 1 8
1031-nt full attn-mlp 1e-6 0 1 -
1032-nt-full full full 1e-6 0 1 -
1033-nt-attnonly full attn-only 1e-6 0 1 -
1034-nt-lr5e-6 full attn-mlp 5e-6 0 1 -
1035-nt-lr5e-7 full attn-mlp 5e-7 0 1 -
LIST
}

write_config() {
    conv=
    norm=
    case $3 in full) norm='"train_norm=True", ' conv="\"conv_dim=$5\", \"conv_alpha=$6\", " ;; *) conv='"conv_dim=0", ' ;; esac
    [ "$5" != 0 ] || conv=
    factor=
    [ "$7" = - ] || factor="\"factor=$7\", "
    cat <<TOML
[Basics]
pretrained_model_name_or_path = "$model"
train_data_dir = "$folder/data"
resolution = "128"
seed = 23
max_train_steps = $steps
clip_skip = 1
[Save]
output_dir = "$folder"
output_name = "$1"
save_precision = "fp16"
save_state = false
[Network_setup]
network_module = "lycoris.kohya"
network_dim = $5
network_alpha = $6
network_dropout = 0
network_args = [$factor$conv$norm"preset=$3", "algo=$2"]
[Optimizer]
train_batch_size = 8
gradient_checkpointing = false
gradient_accumulation_steps = 1
optimizer_type = "AdamW8bit"
unet_lr = $4
text_encoder_lr = $4
max_grad_norm = 1.0
optimizer_args = ["weight_decay=0.1", "betas=0.9,0.99"]
lr_scheduler_type = ""
lr_scheduler = "constant_with_warmup"
lr_warmup_steps = 3500
[Captions]
shuffle_caption = false
caption_extension = ".txt"
keep_tokens = 0
caption_dropout_rate = 0.05
max_token_length = 150
[Buckets]
enable_bucket = true
min_bucket_reso = 64
max_bucket_reso = 256
bucket_reso_steps = 64
cache_latents = true
[Others]
mixed_precision = "bf16"
xformers = true
TOML
}

echo "| configuration | parameters | file | seconds a step | peak memory |"
echo "|---|---|---|---|---|"
configurations | while read -r name algo preset rate dim alpha factor; do
    write_config "$name" "$algo" "$preset" "$rate" "$dim" "$alpha" "$factor" >"$folder/$name.toml"
    status=0
    /usr/bin/time -f %M -o "$folder/$name.memory" "$program" train --config_file "$folder/$name.toml" --force --json -q \
        >"$folder/$name.json" 2>"$folder/$name.log" || status=$?
    if [ $status != 0 ]; then
        echo "| $name | failed: $(tail -1 "$folder/$name.log") | | | |"
        continue
    fi
    parameters=$(sed -n 's/^    "parameters": \([0-9]*\),*$/\1/p' "$folder/$name.json" | head -1)
    size=$(wc -c <"$folder/$name.safetensors")
    rm "$folder/$name.safetensors"
    seconds=$(sed -n 's/^  "seconds_per_step": \([0-9.]*\),*$/\1/p' "$folder/$name.json")
    awk -v n="$name" -v p="$parameters" -v s="$size" -v t="$seconds" -v m="$(cat "$folder/$name.memory")" \
        'BEGIN { printf "| %s | %.2f M | %.1f MiB | %.2f | %.0f MiB |\n", n, p / 1e6, s / 1048576, t, m / 1024 }'
done
