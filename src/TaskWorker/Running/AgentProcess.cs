using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>What to start. The environment is the whole of it: nothing is inherited.</summary>
internal sealed record AgentCommand(string Executable, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string Directory, string? Stdin)
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

/// <summary>A program to start. The environment is the whole of it: nothing is inherited.</summary>
internal sealed record ProgramStart(string FileName, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string Directory);

/// <summary>
/// A child process with both outputs drained. This is the seam between the two libraries that can start one; stopping, splitting
/// and sweeping are the same over both and stand outside.
/// </summary>
internal interface IAgentProcess : IAsyncDisposable
{
    int Pid { get; }

    /// <summary>Has its input written, and then closed. At most once; without it the input is closed when this is disposed of.</summary>
    /// <param name="write">Comes back when there is no more; fails when nobody reads any more.</param>
    void Feed(Func<Stream, Task> write);

    /// <summary>Completes when the process has exited, whatever still holds its outputs.</summary>
    Task Exited { get; }

    /// <summary>The exit code, once the process has exited and both outputs are at their end or were given up through the token of the start.</summary>
    Task<int> Completion { get; }
}

/// <summary>Reads one output to its end, or returns when the token says that nobody waits for the rest.</summary>
internal delegate Task ReadOutput(Stream stream, CancellationToken cancellationToken);

/// <summary>Starts a process.</summary>
/// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
internal delegate IAgentProcess StartAgent(ProgramStart program, ReadOutput stdout, ReadOutput stderr, CancellationToken giveUpOutputs);

/// <summary>The libraries that this build can start agents with.</summary>
internal static class AgentProcess
{
    public static StartAgent System { get; } = (program, stdout, stderr, giveUpOutputs) => new SystemAgentProcess(program, stdout, stderr, giveUpOutputs);

#if CLIWRAP
    public static StartAgent CliWrap { get; } = (program, stdout, stderr, giveUpOutputs) => new CliWrapAgentProcess(program, stdout, stderr, giveUpOutputs);

    public static StartAgent Default => CliWrap;
#else
    public static StartAgent Default => System;
#endif
}
