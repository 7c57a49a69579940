lycoris doctor >out
# Without liblycoris-diffusion there is no oneDNN to be seen.
if grep -q "^  parts .*diffusion" out; then grep -c "^  onednn  *libdnnl\." out; else echo 1; fi
