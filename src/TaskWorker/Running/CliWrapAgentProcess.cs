#if CLIWRAP
using System.Diagnostics;
using CliWrap;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>The seam over CliWrap. Its tokens are not used to stop: the graceful one reaches the root process only, and cancelling loses the exit code.</summary>
internal sealed class CliWrapAgentProcess : IAgentProcess
{
    private readonly CommandTask<CommandResult> _command;
    private readonly TaskCompletionSource<Func<Stream, Task>> _stdin = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CliWrapAgentProcess(ProgramStart program, ReadOutput stdout, ReadOutput stderr, CancellationToken giveUpOutputs)
    {
        // CliWrap adds to the inherited environment: what is there already is taken out by name.
        var environment = Environment.GetEnvironmentVariables().Keys.Cast<string>().ToDictionary(name => name, _ => (string?)null);
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
    public Task Exited { get; }
    public Task<int> Completion { get; }

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
#endif
