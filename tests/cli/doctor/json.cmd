lycoris doctor --json >doctor.json
for path in "program version" "processor instructions" "processor threads" "processor kernels 1" "processor caches 0" "memory total" "system temporary" remarks; do
    json_check $path <doctor.json
done
