lycoris help --man help
