lycoris version --quiet=yes; lycoris version --quiet=perhaps
