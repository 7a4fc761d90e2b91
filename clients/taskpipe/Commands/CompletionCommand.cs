using System.CommandLine;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Prints the completion script of a shell. The script asks taskpipe itself, which knows the commands and asks the server for types and ids.</summary>
internal static class CompletionCommand
{
    private const string Details = """
        bash: echo 'eval "$(taskpipe completion bash)"' >> ~/.bashrc
        zsh:  echo 'eval "$(taskpipe completion zsh)"' >> ~/.zshrc
        fish: taskpipe completion fish > ~/.config/fish/completions/taskpipe.fish
        """;

    private const string Bash = """
        _taskpipe() {
            local word
            COMPREPLY=()
            while IFS= read -r word; do
                [[ $word == "${COMP_WORDS[COMP_CWORD]}"* ]] && COMPREPLY+=("$word")
            done < <(taskpipe "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)
            [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
            return 0
        }
        complete -F _taskpipe taskpipe
        """;

    private const string Zsh = """
        _taskpipe() {
            local -a found
            found=("${(@f)$(taskpipe "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -a found
        }
        (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
        compdef _taskpipe taskpipe
        """;

    private const string Fish = """
        function __taskpipe_complete
            taskpipe "[suggest:"(string length -- (commandline -cp))"]" (commandline -cp | string collect) 2>/dev/null
        end
        complete -c taskpipe -f -a '(__taskpipe_complete)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var completion = new DetailedCommand("completion", "Print a completion script for a shell.", Details) { shell };
        completion.SetAction(parsed =>
        {
            Console.Out.Write((parsed.GetRequiredValue(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish }).ReplaceLineEndings("\n") + "\n");
            return ExitCodes.Succeeded;
        });
        return completion;
    }
}
