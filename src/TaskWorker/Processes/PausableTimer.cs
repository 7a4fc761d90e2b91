namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Calls back once, after a time without its pauses.</summary>
internal sealed class PausableTimer : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private TimeSpan _left;
    private long _since;
    private bool _isPaused;

    public PausableTimer(TimeSpan time, Action due, TimeProvider clock)
    {
        (_clock, _left, _since) = (clock, time, clock.GetTimestamp());
        _timer = clock.CreateTimer(_ => due(), null, Due(time), Timeout.InfiniteTimeSpan);
    }

    public void Pause()
    {
        lock (_gate)
        {
            if (_isPaused)
                return;
            _isPaused = true;
            _left -= _clock.GetElapsedTime(_since);
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public void Resume() => Begin(null);

    /// <summary>Waits for so long from now or, if it is paused, from its resume on.</summary>
    public void Restart(TimeSpan time)
    {
        lock (_gate)
        {
            if (_isPaused)
                _left = time;
            else
                Begin(time);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Begin(TimeSpan? time)
    {
        lock (_gate)
        {
            (_isPaused, _left, _since) = (false, time ?? _left, _clock.GetTimestamp());
            _timer.Change(Due(_left), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Timers accept no negative times, and none above 49 days.</summary>
    private static TimeSpan Due(TimeSpan left) =>
        left < TimeSpan.Zero ? TimeSpan.Zero : left.TotalMilliseconds < uint.MaxValue - 1 ? left : Timeout.InfiniteTimeSpan;
}
