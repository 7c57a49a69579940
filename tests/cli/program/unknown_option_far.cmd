lycoris version --frobnicate
