lycoris help | grep -c "$(printf "\\033")"; true
