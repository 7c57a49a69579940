lycoris --threads abc version
