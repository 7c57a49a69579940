lycoris "$(printf 'a\033]52;c;eA==\007b')"
