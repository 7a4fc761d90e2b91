namespace TaskPipeline.TaskWorker.Running;

/// <summary>What to start. The environment is the whole of it: nothing is inherited.</summary>
internal sealed record AgentCommand(string Executable, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string Directory, string? Stdin)
{
    // $1 its control group, $2 how many files it may have open, $3 its terminal; each may be empty. The rest is the agent's, which takes the shell's place
    // once there is a line to read: a worker that dies before it writes one has closed the pipe. When memory runs out, the agent goes before the worker.
    private const string Launcher = """
        [ -z "$1" ] || echo 0 > "$1/cgroup.procs"
        { echo 500 > /proc/self/oom_score_adj; } 2>/dev/null
        [ -z "$2" ] || ulimit -n "$2" || exit 126
        read -r _ || exit 126
        [ -z "$3" ] || exec <> "$3" >&0 2>&0
        shift 3
        unset PWD OLDPWD
        exec "$@"
        """;

    /// <summary>Whether it gets a terminal instead of pipes.</summary>
    public bool HasTerminal { get; init; }

    /// <summary>Name of that terminal, once there is one.</summary>
    public string? Terminal { get; init; }

    /// <summary>Folder of its control group; null: it has none.</summary>
    public string? Cgroup { get; init; }

    /// <summary>Its input stays open behind <see cref="Stdin"/>.</summary>
    public bool TakesInput { get; init; }

    /// <summary>How many files it may have open; null: as many as the worker may.</summary>
    public int? OpenFiles { get; init; }

    /// <summary>The program that puts the agent into a session, and so a process group, of its own, under the pid that it was started with.</summary>
    public static string? Setsid { get; } = ((string[])["/usr/bin/setsid", "/bin/setsid"]).FirstOrDefault(File.Exists);

    /// <summary>Whether the process can be started ahead of the agent, which then begins with the first line of its input.</summary>
    public static bool IsHeld => Setsid is not null;

    /// <summary>What comes to the process' input.</summary>
    public string AllStdin => (IsHeld ? "\n" : "") + Stdin;

    public string FileName => Setsid ?? Executable;
    public IReadOnlyList<string> AllArguments => Setsid is null
        ? Arguments
        : ["/bin/sh", "-c", Launcher, "agent", Cgroup ?? "", OpenFiles?.ToString() ?? "", Terminal ?? "", Executable, .. Arguments];
}

/// <summary>
/// A child process with both outputs drained, which becomes the agent when it is told to. This is the seam between the two libraries that can start one; stopping, splitting
/// and sweeping are the same over both and stand outside.
/// </summary>
internal interface IAgentProcess : IAsyncDisposable
{
    int Pid { get; }

    /// <summary>Lets the agent begin by having its input written and closed. At most once; without it the process ends when this is disposed of.</summary>
    /// <param name="write">Comes back when there is no more; fails when nobody reads any more.</param>
    void Begin(Func<Stream, Task> write);

    /// <summary>Completes when the process has exited, whatever still holds its outputs.</summary>
    Task Exited { get; }

    /// <summary>The exit code, once the process has exited and both outputs are at their end or were given up through the token of the start.</summary>
    Task<int> Completion { get; }
}

/// <summary>Reads one output to its end, or returns when the token says that nobody waits for the rest.</summary>
internal delegate Task ReadOutput(Stream stream, CancellationToken cancellationToken);

/// <summary>Starts a process.</summary>
/// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
internal delegate IAgentProcess StartAgent(AgentCommand command, ReadOutput stdout, ReadOutput stderr, CancellationToken giveUpOutputs);

/// <summary>The libraries that this build can start agents with.</summary>
internal static class AgentProcess
{
    public static StartAgent System { get; } = (command, stdout, stderr, giveUpOutputs) => new SystemAgentProcess(command, stdout, stderr, giveUpOutputs);

#if CLIWRAP
    public static StartAgent CliWrap { get; } = (command, stdout, stderr, giveUpOutputs) => new CliWrapAgentProcess(command, stdout, stderr, giveUpOutputs);

    public static StartAgent Default => CliWrap;
#else
    public static StartAgent Default => System;
#endif
}
