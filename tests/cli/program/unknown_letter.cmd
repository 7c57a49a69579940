lycoris version -x; lycoris version -qx
