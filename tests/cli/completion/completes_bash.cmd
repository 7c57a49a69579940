command -v bash >/dev/null || { cat "$src/tests/cli/completion/completes_bash.stdout.exact"; exit 0; }
cat >try.bash <<'EOF'
source <(lycoris completion bash)
try() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _lycoris
    printf '%s:' "$*"
    printf ' [%s]' "${COMPREPLY[@]}"
    echo
}
touch 'a file.safetensors'
try lycoris do
try lycoris --vers
try lycoris doctor --js
try lycoris help ver
try lycoris help --color a
try lycoris --color n
try lycoris --progress l
try lycoris completion z
try lycoris doctor --threads ''
EOF
bash try.bash
