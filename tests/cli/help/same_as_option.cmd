lycoris help version >a; lycoris version --help >b; cmp a b; lycoris --help version | cmp a; lycoris help >c; lycoris -h | cmp c
