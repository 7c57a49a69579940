lycoris help -- version | head -n 1; lycoris help -- --man
