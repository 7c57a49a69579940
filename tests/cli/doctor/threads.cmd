lycoris doctor --threads 1 | grep "^  threads "
