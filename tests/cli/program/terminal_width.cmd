pty -c 50 lycoris help version --color never | tr -d "\r"
