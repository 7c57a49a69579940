#!/bin/sh
# make.sh BIN_DIR WORK_DIR - makes the small model again: pictures from the packages, then its parts one after the other.
#
# Everything goes on where it was: a stage that is done is not made again, one that was stopped goes on from its state.
# The model is WORK_DIR/model/emoji. STEPS_VAE, STEPS_CLIP, STEPS_UNET and PICTURES say how long and how many.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")" && pwd)
lycoris=$(cd "$1" && pwd)/lycoris
mkdir -p "$2"
cd "$2"
pictures=${PICTURES:-60000}
# Threads that wait do not keep a core from other programs.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

if [ ! -e pictures.done ]; then
    # shellcheck disable=SC2046 # a list of flags
    cc -O2 "$here/make_pictures.c" -o make_pictures $(pkg-config --cflags --libs vips harfbuzz expat) -lm
    ./make_pictures "$here/concepts.txt" "$pictures" pictures
    touch pictures.done
fi

[ -e base ] || "$lycoris" pretrain new --config "$here/config" --captions pictures.captions.txt --model base

if [ ! -e vae.done ]; then
    "$lycoris" pretrain autoencoder --model base --image-dir pictures --validation-split 0.01 --dtype fp16 \
        --steps "${STEPS_VAE:-3000}" --batch-size 32 --crop 32 --learning-rate 0.002 --state vae-state --log vae
    touch vae.done
fi

if [ ! -e clip.done ]; then
    "$lycoris" pretrain contrastive --model base --image-dir pictures --validation-split 0.02 --dtype fp16 \
        --steps "${STEPS_CLIP:-3000}" --batch-size 192 --learning-rate 0.001 --state clip-state --log clip
    touch clip.done
fi

# The last state, if there is one, is where the U-Net's training goes on.
state=$(find model -maxdepth 1 -name '*-state' 2>/dev/null | sort | tail -n 1)
if [ ! -e model/emoji ]; then
    "$lycoris" train --model base --train native --image_dir pictures --resolution 64 --caption_extension .txt \
        --train_batch_size 32 --max_train_steps "${STEPS_UNET:-40000}" --learning_rate 0.001 --lr_scheduler cosine \
        --lr_warmup_steps 200 --optimizer_type AdamW --optimizer_args betas=0.9,0.99 weight_decay=0.01 \
        --min_snr_gamma 5 --caption_dropout_rate 0.1 --ema_decay 0.9995 --cache_latents --cache_latents_to_disk --vae_batch_size 32 \
        --save_every_n_steps 2000 --save_last_n_steps 4000 --save_last_n_steps_state 4000 --save_state --save_precision fp16 --seed 1 \
        --output_dir model --output_name emoji ${state:+--resume "$state"}
fi
