using System.Runtime.InteropServices;

namespace TaskPipeline.AgentCli;

/// <summary>Turns SIGINT and SIGTERM into a cancelled token, and ends the process if the work does not end in time.</summary>
internal sealed class Termination : IDisposable
{
    // A longer wait saves nothing: committed batches are durable, and children end with their parent.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _requested = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;
    private Timer? _deadline;

    public Termination()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Request(context, ExitCodes.Interrupted));
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Request(context, ExitCodes.Terminated));
    }

    public CancellationToken Requested => _requested.Token;

    public int ExitCode { get; private set; } = ExitCodes.Interrupted;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _deadline?.Dispose();
        _requested.Dispose();
    }

    private void Request(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;
        if (_requested.IsCancellationRequested)
            return;
        ExitCode = exitCode;
        _deadline = new Timer(_ => Environment.Exit(exitCode), null, Grace, Timeout.InfiniteTimeSpan);
        _requested.Cancel();
    }
}
