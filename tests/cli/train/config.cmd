# Options as a file and back; hyphens and underscores mean the same, lists take several words, later words win over files.
lycoris train --model "a b.safetensors" --network-args algo=lokr factor=8 --shuffle_caption --unet-lr 5e-4 --output_config
lycoris train --model m --network_args algo=loha --seed 3 --config_file written.toml --output_config
cat written.toml
lycoris train --config_file written.toml --output_config
echo $?
printf '[Others]\nxformers = true\nlearning_rat = 1\n' >>written.toml
lycoris train --config_file written.toml
echo $?
