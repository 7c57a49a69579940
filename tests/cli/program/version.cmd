lycoris --version && lycoris -V && lycoris doctor --version
