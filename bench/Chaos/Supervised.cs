using TaskPipeline.Bench.Driving;

namespace TaskPipeline.Bench.Chaos;

/// <summary>A program that is restarted after 0 to 3 s whenever it ends, as by a supervisor in production.</summary>
internal sealed class Supervised : IAsyncDisposable
{
    private const double LongestPause = 3;

    private readonly CancellationTokenSource _disposed = new();
    private readonly Func<int, ProgramProcess> _start;
    private readonly Random _pauses;
    private readonly Task _supervising;
    private volatile ProgramProcess? _process;

    /// <param name="start">Starts the program; its argument is the number of earlier starts.</param>
    public Supervised(Func<int, ProgramProcess> start, int seed)
    {
        (_start, _pauses) = (start, new Random(seed));
        _supervising = SuperviseAsync();
    }

    public void Kill() => Try(process => process.Kill());

    public void Terminate() => Try(process => process.Terminate());

    public Task FreezeAsync(TimeSpan length) => _process?.FreezeAsync(length) ?? Task.CompletedTask;

    /// <summary>Fails if the program cannot run at all.</summary>
    public void ThrowIfBroken()
    {
        if (_supervising.IsFaulted)
            _supervising.GetAwaiter().GetResult();
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await _supervising.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _disposed.Dispose();
    }

    private async Task SuperviseAsync()
    {
        for (var times = 0; ; times++)
        {
            var process = _start(times);
            _process = process;
            try
            {
                var exitCode = await process.ExitedAsync().WaitAsync(_disposed.Token);
                if (exitCode == Shared.Hosting.ExitCodes.BadConfiguration)
                    process.ThrowIfEnded();
            }
            finally
            {
                _process = null;
                await process.DisposeAsync();
            }
            await Task.Delay(TimeSpan.FromSeconds(_pauses.NextDouble() * LongestPause), _disposed.Token);
        }
    }

    private void Try(Action<ProgramProcess> act)
    {
        try
        {
            if (_process is { } process)
                act(process);
        }
        catch (InvalidOperationException)
        {
            // It has just ended by itself.
        }
    }
}
