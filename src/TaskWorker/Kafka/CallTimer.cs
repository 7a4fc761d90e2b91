namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>For how long a call has not come back, for whoever watches it from another thread.</summary>
internal sealed class CallTimer(TimeProvider clock)
{
    private long _since;   // 0: none is under way

    /// <summary>Null: none is under way.</summary>
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
