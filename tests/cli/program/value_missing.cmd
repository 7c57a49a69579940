lycoris version --threads; lycoris version -t; lycoris --color
