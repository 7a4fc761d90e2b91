namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// One signal for any number of waiters. Take <see cref="Next"/> first, look for news second, await third: then no news is missed. Waking a thousand
/// waiters takes milliseconds of processor time; the more waiters there are, the more news each wake-up collects.
/// </summary>
internal sealed class ChangeSignal
{
    private static readonly TimeSpan PerWaiter = TimeSpan.FromMicroseconds(20);
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(2);   // timers are not more exact

    private readonly Lock _gate = new();
    private TaskCompletionSource? _next;
    private int _waiters;
    private long _raisedAt;
    private bool _isDelayed;

    /// <summary>Completes at the next <see cref="Raise"/>. Created on demand, so that a log without watchers costs nothing.</summary>
    public Task Next
    {
        get
        {
            lock (_gate)
            {
                _waiters++;
                return (_next ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }
    }

    public void Raise()
    {
        TimeSpan wait;
        lock (_gate)
        {
            if (_next is null || _isDelayed)
                return;
            var apart = PerWaiter * _waiters;
            wait = (apart < Longest ? apart : Longest) - TimeSpan.FromMilliseconds(Environment.TickCount64 - _raisedAt);
            _isDelayed = wait > Shortest;
        }
        if (wait > Shortest)
            Task.Delay(wait).ContinueWith(_ => RaiseNow(), TaskScheduler.Default);
        else
            RaiseNow();
    }

    private void RaiseNow()
    {
        TaskCompletionSource? raised;
        lock (_gate)
        {
            (raised, _next) = (_next, null);
            (_waiters, _isDelayed, _raisedAt) = (0, false, Environment.TickCount64);
        }
        raised?.TrySetResult();
    }
}
