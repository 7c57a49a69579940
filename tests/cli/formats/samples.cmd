mkdir try
lycoris formats --samples try | wc -l
lycoris verify --for lycoris try/lokr.safetensors
lycoris formats --samples try; echo $?
lycoris formats --samples try --force | head -n 1
lycoris formats --samples no; echo $?
lycoris formats --json | head -n 7
