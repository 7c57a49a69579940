# Every command and every option of every command is in every script; those that can be checked here are valid.
for shell in bash zsh fish; do
    lycoris completion $shell >script.$shell
    ! command -v $shell >/dev/null || $shell -n script.$shell || echo "$shell: not valid"
done
lycoris help | sed -n "/^Commands:/,/^$/s/^  \([a-z][a-z-]*\)\( .*\)*$/\1/p" | while read -r command; do
    for shell in bash zsh fish; do
        grep -qw -- "$command" script.$shell || echo "$shell: no $command"
    done
    lycoris help --markdown "$command" | sed -n "s/^| .[^|]*--\([a-z-]*\).*/\1/p" | while read -r option; do
        grep "^ *\"$command\")" script.bash | grep -q -- " --$option" || echo "bash: no $command --$option"
        sed -n "/^        $command)/,/ ;;/p" script.zsh | grep -q -- "--$option" || echo "zsh: no $command --$option"
        grep "from $command" script.fish | grep -q -- " -l $option" || echo "fish: no $command --$option"
        echo . >>options
    done
done
[ $(wc -l <options) -ge 20 ] && echo "all there"
