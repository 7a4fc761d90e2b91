using System.Text;
using System.Text.RegularExpressions;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// A process that becomes an agent. If <c>setsid</c> exists, it is a shell in its own session and control group, which can be started before there is
/// a task: to fork, to enter a control group and to load two programs takes longer than the rest of a task's start. It reads its orders from stdin,
/// so they are not on disk or in arguments that others could read. The rest of stdin is left for the agent that replaces it.
/// </summary>
internal sealed partial class Launcher : IAsyncDisposable
{
    // $1: the control group, or empty. $2: the line that ends the orders. Without that line it exits: a worker that died has closed the pipe. The
    // oom_score_adj makes the kernel kill the agent before the worker.
    private const string Script = """
        [ -z "$1" ] || echo 0 > "$1/cgroup.procs"
        { echo 500 > /proc/self/oom_score_adj; } 2>/dev/null
        end=$2 orders=
        while IFS= read -r line || exit 126; do
          [ "$line" = "$end" ] && break
          orders="$orders$line
        "
        done
        eval "$orders"
        """;

    // Variables that shells do not allow to be set.
    private static readonly HashSet<string> OfTheShell = ["PPID", "UID", "EUID", "BASHOPTS", "SHELLOPTS", "BASH_VERSINFO"];

    private readonly TaskCompletionSource<ReadOutput> _stdout = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ReadOutput> _stderr = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _giveUp = new();
    private readonly string? _end;

    static Launcher() => Posix.KeepIgnoredSignalsToItself();

    private Launcher(AgentCgroup? cgroup, string? end, ProgramStart program)
    {
        (Cgroup, _end) = (cgroup, end);
        Process = new AgentProcess(
            program,
            async (stream, giveUp) => await (await _stdout.Task)(stream, giveUp),
            async (stream, giveUp) => await (await _stderr.Task)(stream, giveUp),
            _giveUp.Token);
    }

    /// <summary>Whether this machine can start a launcher before its agent.</summary>
    public static bool IsPossible => Setsid is not null;

    /// <summary>The program that puts a process into its own session, and so its own process group, with its pid unchanged.</summary>
    public static string? Setsid { get; } = ((string[])["/usr/bin/setsid", "/bin/setsid"]).FirstOrDefault(File.Exists);

    public AgentProcess Process { get; }
    public AgentCgroup? Cgroup { get; }

    /// <summary>Starts a launcher that waits for its orders.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be started.</exception>
    public static Launcher Start(AgentCgroup? cgroup)
    {
        var end = Guid.NewGuid().ToString("N");
        var environment = new Dictionary<string, string> { ["PATH"] = HelperShell.Path, [RunMarker.Variable] = RunMarker.Of("launcher", 0) };
        var program = new ProgramStart(Setsid!, ["/bin/sh", "-c", Script, "taskworker-launcher", cgroup?.Folder ?? "", end], environment, "/");
        return new Launcher(cgroup, end, program);
    }

    /// <summary>Starts the agent itself, for machines without <c>setsid</c>.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be started.</exception>
    public static Launcher StartDirectly(AgentCommand command) =>
        new(null, null, new ProgramStart(command.Executable, command.Arguments, command.Environment, command.Directory));

    /// <summary>Writes the orders and then, when the agent may start, its stdin. If stdin ends before that, the process ends too.</summary>
    /// <param name="mayBegin">False: the agent must not start.</param>
    public void Become(AgentCommand command, ReadOutput stdout, ReadOutput stderr, Task<bool> mayBegin, Func<Stream, Task> write)
    {
        _stdout.SetResult(stdout);
        _stderr.SetResult(stderr);
        Process.Feed(async stdin =>
        {
            if (_end is not null)
            {
                await stdin.WriteAsync(Encoding.UTF8.GetBytes(OrdersFor(command)));
                await stdin.FlushAsync();
            }
            if (!await mayBegin)
                return;
            if (_end is not null)
                await stdin.WriteAsync(Encoding.UTF8.GetBytes(_end + "\n"));
            await write(stdin);
        });
    }

    /// <summary>Stops reading its outputs: what is still in them belongs to no attempt.</summary>
    public Task GiveUpOutputsAsync() => _giveUp.CancelAsync();

    /// <summary>It is not needed: it ends by itself, and its control group is removed.</summary>
    public async Task DiscardAsync()
    {
        await DisposeAsync();
        Cgroup?.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        // A launcher that was never used has no output.
        _stdout.TrySetResult((_, _) => Task.CompletedTask);
        _stderr.TrySetResult((_, _) => Task.CompletedTask);
        await Process.DisposeAsync();
        _giveUp.Dispose();
    }

    private static string OrdersFor(AgentCommand command)
    {
        var orders = new StringBuilder($"cd {Quoted(command.Directory)} || exit 126\n");
        if (command.OpenFiles is { } files)
            orders.Append($"ulimit -n {files} || exit 126\n");
        if (command.Terminal is { } terminal)
            orders.Append($"exec <> {Quoted(terminal)} >&0 2>&0\n");
        orders.Append("set -- ").AppendJoin(' ', command.Arguments.Prepend(command.Executable).Select(Quoted)).Append('\n');
        orders.Append("unset PWD OLDPWD orders end line\n");
        foreach (var (name, value) in command.Environment)
            if (ShellName().IsMatch(name) && !OfTheShell.Contains(name))
                orders.Append($"export {name}={Quoted(value)}\n");
        return orders.Append("exec \"$@\"\n").ToString();
    }

    private static string Quoted(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]*\z")]
    private static partial Regex ShellName();
}
