using System.Diagnostics;
using CliWrap;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>A program to start. The environment is complete: nothing is inherited.</summary>
internal sealed record ProgramStart(string FileName, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment, string Directory);

/// <summary>Reads one output to its end, or returns when the token is cancelled because the rest is not wanted.</summary>
internal delegate Task ReadOutput(Stream stream, CancellationToken cancellationToken);

/// <summary>
/// A child process with both outputs drained. CliWrap's tokens are not used to stop it: the graceful one reaches only the root process, and the other
/// loses the exit code.
/// </summary>
internal sealed class AgentProcess : IAsyncDisposable
{
    /// <summary>CliWrap adds to the inherited environment, so inherited variables are removed by name.</summary>
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

    /// <summary>Completes when the process has exited, even if other processes still hold its outputs.</summary>
    public Task Exited { get; }

    /// <summary>The exit code, once the process has exited and both outputs have ended or were given up through the constructor's token.</summary>
    public Task<int> Completion { get; }

    /// <summary>Writes its stdin, then closes it. Call at most once; otherwise stdin is closed on disposal.</summary>
    /// <param name="write">Returns when there is no more input; fails when the process no longer reads.</param>
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

    /// <summary>CliWrap reports an exit only after the outputs have ended; the exit itself is observed through the pid.</summary>
    private static async Task WaitAsync(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            await process.WaitForExitAsync();
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            // The process has already exited and been reaped.
        }
    }
}
