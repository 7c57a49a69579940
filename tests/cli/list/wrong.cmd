for words in "" things "adapters lorra" "adapters lora more"; do
    # shellcheck disable=SC2086 # words
    lycoris list $words
    echo "$?"
done
