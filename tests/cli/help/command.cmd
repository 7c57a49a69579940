lycoris help completion
