using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>The program to start. The environment is complete: nothing is inherited.</summary>
internal sealed record AgentCommand(
    string Executable, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string Directory, string? Stdin)
{
    /// <summary>Size of the terminal that it gets instead of pipes; null: it gets pipes.</summary>
    public TerminalSize? TerminalSize { get; init; }

    /// <summary>Name of that terminal, once it is open.</summary>
    public string? Terminal { get; init; }

    /// <summary>Its stdin stays open after <see cref="Stdin"/>.</summary>
    public bool TakesInput { get; init; }

    /// <summary>Limit of open files; null: the worker's own.</summary>
    public int? OpenFiles { get; init; }
}
