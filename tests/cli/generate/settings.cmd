# What was chosen is said; sizes are rounded down with a notice; --dry-run writes nothing.
lycoris generate -m "$src/tests/conformance/models/tiny_sd15" -p fox -s 1 -W 100 -H 64 --dry-run
ls
