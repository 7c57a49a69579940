lycoris help >/dev/full
