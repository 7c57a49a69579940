lycoris version --no-quiet; lycoris version --no-threads
