#if CLIWRAP
using System.Diagnostics;
using CliWrap;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>The seam over CliWrap. Its tokens are not used to stop: the graceful one reaches the root process only, and cancelling loses the exit code.</summary>
internal sealed class CliWrapAgentProcess : IAgentProcess
{
    private readonly CommandTask<CommandResult> _command;

    public CliWrapAgentProcess(AgentCommand command, ReadOutput stdout, ReadOutput stderr, CancellationToken giveUpOutputs)
    {
        // CliWrap adds to the inherited environment: what is there already is taken out by name.
        var environment = Environment.GetEnvironmentVariables().Keys.Cast<string>().ToDictionary(name => name, _ => (string?)null);
        foreach (var (name, value) in command.Environment)
            environment[name] = value;
        _command = Cli.Wrap(command.FileName)
            .WithArguments(command.AllArguments)
            .WithEnvironmentVariables(environment)
            .WithWorkingDirectory(command.Directory)
            .WithValidation(CommandResultValidation.None)
            .WithStandardInputPipe(command.Stdin is null ? PipeSource.Null : PipeSource.FromString(command.Stdin, System.Text.Encoding.UTF8))
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

    public async ValueTask DisposeAsync()
    {
        await Completion;
        _command.Dispose();
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
