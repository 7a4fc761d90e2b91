using System.Runtime.InteropServices;

namespace TaskPipeline.Taskpipe;

/// <summary>Turns SIGINT and SIGTERM into a cancelled token. A second signal ends the process at once.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _requested = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    public Interruption()
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
        _requested.Dispose();
    }

    private void Request(PosixSignalContext context, int exitCode)
    {
        if (_requested.IsCancellationRequested)
            return;   // the runtime ends the process
        context.Cancel = true;
        ExitCode = exitCode;
        _requested.Cancel();
    }
}
