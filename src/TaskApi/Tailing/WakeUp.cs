namespace TaskPipeline.TaskApi.Tailing;

/// <summary>
/// One signal for any number of waiters. Take <see cref="Next"/> first, look for news second, await third: then nothing is missed.
/// </summary>
internal sealed class WakeUp
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _next;

    /// <summary>Completes at the next <see cref="Raise"/>. Made only when somebody asks, so that a log without watchers costs nothing.</summary>
    public Task Next
    {
        get
        {
            lock (_gate)
                return (_next ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    public void Raise()
    {
        TaskCompletionSource? raised;
        lock (_gate)
            (raised, _next) = (_next, null);
        raised?.TrySetResult();
    }
}
