using System.Diagnostics;

namespace TaskPipeline.Bench.Driving;

/// <summary>A closed loop: a number of callers, each of which begins its next call when the previous one has returned.</summary>
internal static class Load
{
    /// <summary>How many calls returned per second.</summary>
    public static async Task<double> PerSecondAsync(int callers, TimeSpan duration, Func<Task> call, CancellationToken stop)
    {
        var started = Stopwatch.GetTimestamp();
        var counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            var count = 0L;
            while (Stopwatch.GetElapsedTime(started) < duration)
            {
                stop.ThrowIfCancellationRequested();
                await call();
                count++;
            }
            return count;
        }, stop)));
        return counts.Sum() / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}

/// <summary>A steady beat. After a delay it does not catch up, because bursts would measure the queue instead of the latency.</summary>
internal sealed class Pace(TimeSpan interval)
{
    private readonly long _ticks = (long)(interval.TotalSeconds * Stopwatch.Frequency);
    private long _next = Stopwatch.GetTimestamp();

    public void Wait()
    {
        var now = Stopwatch.GetTimestamp();
        if (_next > now)
            Thread.Sleep((int)Math.Ceiling(Stopwatch.GetElapsedTime(now, _next).TotalMilliseconds));
        _next = Math.Max(_next, now) + _ticks;
    }
}
