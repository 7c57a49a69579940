pty -c 100 lycoris doctor --color never | tr -d "\r" | grep terminal
