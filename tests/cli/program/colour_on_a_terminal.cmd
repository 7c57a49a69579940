pty lycoris help version | grep -c "$(printf "\\033")"
