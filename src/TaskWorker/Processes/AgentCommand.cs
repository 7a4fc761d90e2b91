using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>What to start. The environment is the whole of it: nothing is inherited.</summary>
internal sealed record AgentCommand(
    string Executable, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string Directory, string? Stdin)
{
    /// <summary>Of the terminal that it gets instead of pipes; null: it gets pipes.</summary>
    public TerminalSize? TerminalSize { get; init; }

    /// <summary>Name of that terminal, once there is one.</summary>
    public string? Terminal { get; init; }

    /// <summary>Its input stays open behind <see cref="Stdin"/>.</summary>
    public bool TakesInput { get; init; }

    /// <summary>How many files it may have open; null: as many as the worker may.</summary>
    public int? OpenFiles { get; init; }
}
