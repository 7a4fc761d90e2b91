namespace TaskPipeline.Shared.Hosting;

/// <summary>Work that blocks its thread for long, and so gets one of its own rather than one of the pool's.</summary>
public static class OwnThread
{
    /// <summary>Completes, or fails, as the work does.</summary>
    public static Task Run(Action work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <inheritdoc cref="Run"/>
    public static Task<T> Run<T>(Func<T> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
