lycoris
