NO_COLOR=1 pty lycoris help version | grep -c "$(printf "\\033")"; true
