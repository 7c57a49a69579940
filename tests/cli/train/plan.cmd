# What would be trained: data, layers, factors of LoKr, what has no effect.
m=$src/tests/conformance/models/tiny_sd15
mkdir -p data/2_disc
lycoris generate -q -m "$m" -p "a disc" -s 1 --steps 1 -W 64 -H 64 -o data/2_disc/a.png >/dev/null
lycoris train --plan -m "$m" --train_data_dir data --resolution 64 --network_args algo=lokr factor=4 preset=attn-only --network_dim 100000 --network_alpha 4 --learning_rate 1e-3 --seed 1 --network_train_unet_only --lr_scheduler constant_with_warmup --lr_warmup_steps 2000
lycoris train --plan --json -q -m "$m" --train_data_dir data --resolution 64 --network_args algo=lora preset=attn-only --network_dim 4 --learning_rate 1e-3 --seed 1 --network_train_unet_only >plan.json
json_check plan parameters <plan.json
ls
