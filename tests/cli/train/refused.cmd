# One message each, before any long work; nothing is written.
m=$src/tests/conformance/models/tiny_sd15
mkdir data data/empty
echo text >data/a.png
run() { lycoris train "$@"; echo $?; }
run
run --modell x
run -m nothing --minutes 3
run -m "$m" --images nowhere --minutes 3
run -m "$m" --images data/empty --minutes 3
run -m "$m" --images data --minutes 3
run -m "$m" --train_data_dir data --max_train_steps 3 --learning_rate 1e-4
run --network_dim many
run --config_file missing
printf '[a]\nnetwork_dim = "x"\n' >bad.toml
run --config_file bad
run -m "$m" --image_dir data --network_args algo=lora factr=8 --max_token_length 80 --network_weights missing
run -m "$m" --image_dir data --face_crop_aug_range 1,2
run -m "$m" --image_dir data --deepspeed --initial_step 5
ls
