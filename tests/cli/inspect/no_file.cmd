lycoris inspect
