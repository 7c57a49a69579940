lycoris version --treads 4
