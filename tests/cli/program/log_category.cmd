LYCORIS_LOG=plan,foo lycoris version; LYCORIS_LOG=all,,kernels lycoris version; LYCORIS_LOG=foo lycoris -q version
