echo > some.file; lycoris some.file
