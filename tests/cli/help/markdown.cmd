lycoris help --markdown help
