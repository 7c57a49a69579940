lycoris version --threads 1 && lycoris version -t1 && lycoris version -qvt 1 && lycoris --threads=1 version
