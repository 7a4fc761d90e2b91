using System.Diagnostics;
using CliWrap;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>A program to start. The environment is the whole of it: nothing is inherited.</summary>
internal sealed record ProgramStart(string FileName, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string Directory);

/// <summary>Reads one output to its end, or returns when the token says that nobody waits for the rest.</summary>
internal delegate Task ReadOutput(Stream stream, CancellationToken cancellationToken);

/// <summary>
/// A child process with both outputs drained. CliWrap's tokens are not used to stop it: the graceful one reaches the root process only, and cancelling loses
/// the exit code.
/// </summary>
internal sealed class AgentProcess : IAsyncDisposable
{
    /// <summary>CliWrap adds to the inherited environment: what is there already is taken out by name.</summary>
    private static readonly Dictionary<string, string?> NothingInherited =
        Environment.GetEnvironmentVariables().Keys.Cast<string>().ToDictionary(name => name, _ => (string?)null);

    private readonly CommandTask<CommandResult> _command;
    private readonly TaskCompletionSource<Func<Stream, Task>> _stdin = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public AgentProcess(ProgramStart program, ReadOutput stdout, ReadOutput stderr, CancellationToken giveUpOutputs)
    {
        var environment = new Dictionary<string, string?>(NothingInherited);
        foreach (var (name, value) in program.Environment)
            environment[name] = value;
        _command = Cli.Wrap(program.FileName)
            .WithArguments(program.Arguments)
            .WithEnvironmentVariables(environment)
            .WithWorkingDirectory(program.Directory)
            .WithValidation(CommandResultValidation.None)
            .WithStandardInputPipe(PipeSource.Create(FeedAsync))
            .WithStandardOutputPipe(PipeTarget.Create((stream, _) => stdout(stream, giveUpOutputs)))
            .WithStandardErrorPipe(PipeTarget.Create((stream, _) => stderr(stream, giveUpOutputs)))
            .ExecuteAsync(CancellationToken.None);
        Pid = _command.ProcessId;
        Exited = WaitAsync(Pid);
        Completion = CompleteAsync();
    }

    public int Pid { get; }

    /// <summary>Completes when the process has exited, whatever still holds its outputs.</summary>
    public Task Exited { get; }

    /// <summary>The exit code, once the process has exited and both outputs are at their end or were given up through the token of the start.</summary>
    public Task<int> Completion { get; }

    /// <summary>Has its input written, and then closed. At most once; without it the input is closed when this is disposed of.</summary>
    /// <param name="write">Returns when there is no more; fails when nobody reads any more.</param>
    public void Feed(Func<Stream, Task> write) => _stdin.TrySetResult(write);

    public async ValueTask DisposeAsync()
    {
        _stdin.TrySetResult(_ => Task.CompletedTask);
        await Completion;
        _command.Dispose();
    }

    private async Task FeedAsync(Stream stream, CancellationToken cancellationToken)
    {
        var write = await _stdin.Task.WaitAsync(cancellationToken);
        await write(stream).WaitAsync(cancellationToken);
    }

    private async Task<int> CompleteAsync() => (await _command.Task).ExitCode;

    /// <summary>CliWrap reports an exit only once the outputs are at their end too; the exit itself is seen through the pid.</summary>
    private static async Task WaitAsync(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            await process.WaitForExitAsync();
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            // It has exited and been reaped already.
        }
    }
}
