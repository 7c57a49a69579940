ln -s "$src/tests/conformance/damaged" damaged; ln -s "$src/examples" examples
for file in damaged/*.safetensors; do
    lycoris inspect "$file" >out 2>err
    echo "$? $(head -n 1 err)"
done
