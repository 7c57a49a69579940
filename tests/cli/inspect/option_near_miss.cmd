lycoris inspect --stat x
