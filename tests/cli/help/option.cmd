lycoris completion --help
