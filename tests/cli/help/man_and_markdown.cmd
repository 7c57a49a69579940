lycoris help --man --markdown
