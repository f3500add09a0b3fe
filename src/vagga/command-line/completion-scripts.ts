// What a shell sources (vagga 5.2, Completion). The candidates are all of `vagga _compgen`; file names where it has none.

export const completingShells = ['bash', 'zsh', 'fish'] as const;
export type CompletingShell = (typeof completingShells)[number];

/** bash takes `=` and `:` for words of their own (COMP_WORDBREAKS): what touches in the line is put together again. */
const bash = `# vagga: completion for bash.  source <(vagga _completion bash)
_vagga() {
    local word tail=$COMP_LINE current='' before=() touches=''
    local -i index
    for (( index = 0; index <= COMP_CWORD; index++ )); do
        word=\${COMP_WORDS[index]}
        if [[ -n $touches && $tail == "$word"* && ( $word == [=:]* || $current == *[=:] ) ]]; then
            current+=$word
        else
            (( index > 1 )) && before+=("$current")
            current=$word
        fi
        tail=\${tail#*"$word"}
        touches=yes
        [[ $tail == [[:space:]]* ]] && touches=''
        tail=\${tail#"\${tail%%[![:space:]]*}"}
    done
    local IFS=$'\\n'
    COMPREPLY=($("\${COMP_WORDS[0]}" _compgen "\${before[@]}" -- "$current" 2>/dev/null))
}
complete -o default -F _vagga vagga
`;

const zsh = `#compdef vagga
# vagga: completion for zsh.  source <(vagga _completion zsh), after compinit; or as a file _vagga in $fpath
_vagga() {
    local line
    local -a words_found shown
    for line in "\${(@f)$("\${words[1]}" _compgen --describe "\${(@)words[2,CURRENT-1]}" -- "\${words[CURRENT]}" 2>/dev/null)}"; do
        [[ -z $line ]] && continue
        words_found+=("\${line%%$'\\t'*}")
        if [[ $line == *$'\\t'?* ]]; then
            shown+=("\${(r:24:)\${line%%$'\\t'*}} \${line#*$'\\t'}")
        else
            shown+=("$line")
        fi
    done
    if (( $#words_found )); then
        compadd -l -d shown -- "\${words_found[@]}"
    else
        _files
    fi
}
if [[ $funcstack[1] == _vagga ]]; then
    _vagga "$@"
else
    compdef _vagga vagga
fi
`;

const fish = `# vagga: completion for fish.  vagga _completion fish | source; or as ~/.config/fish/completions/vagga.fish
function __vagga_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found (command $words[1] _compgen --describe $words[2..-1] -- "$current" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c vagga -f -a '(__vagga_complete)'
`;

const scripts: Readonly<Record<CompletingShell, string>> = { bash, zsh, fish };

export const completionScript = (shell: CompletingShell): string => scripts[shell];
