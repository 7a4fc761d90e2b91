namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>Measures how long a call has been running, for a watcher on another thread.</summary>
internal sealed class CallTimer(TimeProvider clock)
{
    private long _since;   // 0: no call is running

    /// <summary>Null: no call is running.</summary>
    public TimeSpan? Elapsed => Volatile.Read(ref _since) is var since and not 0 ? clock.GetElapsedTime(since) : null;

    public void Run(Action call)
    {
        Volatile.Write(ref _since, clock.GetTimestamp());
        try
        {
            call();
        }
        finally
        {
            Volatile.Write(ref _since, 0);
        }
    }
}
