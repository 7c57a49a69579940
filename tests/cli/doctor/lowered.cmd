LYCORIS_ISA=generic lycoris doctor | grep instructions
