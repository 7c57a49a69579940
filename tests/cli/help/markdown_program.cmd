lycoris help --markdown
