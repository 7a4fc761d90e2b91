using System.Diagnostics;

namespace TaskPipeline.Bench.Driving;

/// <summary>A closed loop: so many callers, each of which begins its next call when the one before has come back.</summary>
internal static class Load
{
    /// <summary>How many calls came back per second.</summary>
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

/// <summary>A steady beat. Who is late does not catch up: bursts would measure the queue, not the way.</summary>
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
