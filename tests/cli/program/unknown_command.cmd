lycoris docter
