namespace TaskPipeline.Testing;

/// <summary>For what gives no signal of its own. Where there is a line, an event or a task to wait for, wait for that.</summary>
public static class Eventually
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    public static Task TrueAsync(string reason, Func<bool> condition, TimeSpan timeout) =>
        TrueAsync(reason, () => Task.FromResult(condition()), timeout);

    public static async Task TrueAsync(string reason, Func<Task<bool>> condition, TimeSpan timeout)
    {
        using var limit = new CancellationTokenSource(timeout);
        using var timer = new PeriodicTimer(Interval);
        while (!await condition())
        {
            try
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Not within {timeout.TotalSeconds:0.#} s: {reason}");
            }
        }
    }
}
