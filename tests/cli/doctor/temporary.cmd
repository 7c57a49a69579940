TMPDIR=/nonexistent lycoris doctor | sed -n "/Remarks/,\$p"
