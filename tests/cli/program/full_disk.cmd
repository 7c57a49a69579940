lycoris version >/dev/full
