lycoris help docter
