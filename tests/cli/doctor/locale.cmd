LC_ALL=C lycoris doctor | sed -n "/Remarks/,\$p"
