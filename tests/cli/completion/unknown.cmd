lycoris completion bosh
