using System.Diagnostics;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>The seam over <see cref="Process"/>.</summary>
internal sealed class SystemAgentProcess : IAgentProcess
{
    private readonly Process _process;
    private Task _stdin = Task.CompletedTask;

    public SystemAgentProcess(ProgramStart program, ReadOutput stdout, ReadOutput stderr, CancellationToken giveUpOutputs)
    {
        var start = new ProcessStartInfo(program.FileName, program.Arguments)
        {
            WorkingDirectory = program.Directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        foreach (var (name, value) in program.Environment)
            start.Environment[name] = value;
        _process = Process.Start(start)!;
        Pid = _process.Id;
        Exited = _process.WaitForExitAsync(CancellationToken.None);
        // The streams are read directly: with the runtime's line events the exit would wait for grandchildren that hold them.
        var drained = Task.WhenAll(stdout(_process.StandardOutput.BaseStream, giveUpOutputs), stderr(_process.StandardError.BaseStream, giveUpOutputs));
        Completion = CompleteAsync(drained);
    }

    public int Pid { get; }
    public Task Exited { get; }
    public Task<int> Completion { get; }

    public void Feed(Func<Stream, Task> write) => _stdin = FeedAsync(_process.StandardInput.BaseStream, write);

    public async ValueTask DisposeAsync()
    {
        await _stdin;   // whoever could have read it has ended, so a write that hung has failed by now
        await _process.StandardInput.BaseStream.DisposeAsync();   // where it was never given its input
        _process.StandardOutput.Dispose();
        _process.StandardError.Dispose();
        _process.Dispose();
    }

    private async Task<int> CompleteAsync(Task drained)
    {
        await Exited;
        await drained;
        return _process.ExitCode;
    }

    private static async Task FeedAsync(Stream stdin, Func<Stream, Task> write)
    {
        try
        {
            await using (stdin)
                await write(stdin);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The agent has closed its stdin or has ended: it has read what it wanted.
        }
    }
}
