NO_COLOR=1 lycoris help version --color=always | grep -c "$(printf "\\033")"
