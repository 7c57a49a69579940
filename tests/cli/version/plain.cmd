lycoris version
