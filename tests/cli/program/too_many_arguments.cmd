lycoris version a
