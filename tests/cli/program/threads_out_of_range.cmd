lycoris version --threads=0; lycoris version -t1025
