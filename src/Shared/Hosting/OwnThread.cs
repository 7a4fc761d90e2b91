namespace TaskPipeline.Shared.Hosting;

/// <summary>Runs work that blocks for long on its own thread instead of a pool thread.</summary>
public static class OwnThread
{
    /// <summary>Completes or fails as the work does.</summary>
    public static Task Run(Action work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <inheritdoc cref="Run"/>
    public static Task<T> Run<T>(Func<T> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
