lycoris --help | sed '/^Commands/,/^$/d'
