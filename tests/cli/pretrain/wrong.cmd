lycoris pretrain; echo $?
lycoris pretrain new; echo $?
lycoris pretrain new -m small; echo $?
lycoris pretrain new -m small --config nowhere; echo $?
lycoris pretrain nothing -m small; echo $?
lycoris pretrain autoencoder -m small; echo $?
mkdir pictures
lycoris pretrain autoencoder -m small --image-dir pictures; echo $?
ls
