lycoris version --json
