lycoris doctor
