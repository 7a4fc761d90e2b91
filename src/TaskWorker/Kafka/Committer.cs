using System.Collections.Concurrent;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// Commits batches one by one on its own thread, because a transaction can take as long as the brokers are away, and because a call into the client
/// (librdkafka) has been seen never to return in spite of its timeout: <see cref="ThrowIfHung"/> detects that from another thread.
/// </summary>
internal sealed class Committer : IDisposable
{
    private static readonly TimeSpan HungAfter = TimeSpan.FromSeconds(40);    // one call: four times its timeout
    private static readonly TimeSpan StuckAfter = TimeSpan.FromSeconds(60);   // one commit, while Kafka has answered other clients for half of it

    private readonly ILaneCommit _commit;
    private readonly BlockingCollection<Task> _queue = [];
    private readonly CallTimer _committing;
    private Task _thread = Task.CompletedTask;

    public Committer(ILaneCommit commit, TimeProvider clock)
    {
        _commit = commit;
        _committing = new CallTimer(clock);
    }

    public void Open(CancellationToken cancellationToken)
    {
        _commit.Open(cancellationToken);
        _thread = OwnThread.Run(Run);
    }

    /// <summary>Completes once the batch is committed; fails as <see cref="ILaneCommit.Commit"/> does.</summary>
    public Task CommitAsync(Batch batch)
    {
        var commit = new Task(() =>
        {
            CrashPoint.Reach(CrashPoint.BeforeCommit);
            _committing.Run(() => _commit.Commit(batch));
            CrashPoint.Reach(CrashPoint.AfterCommit);
        });
        _queue.Add(commit);
        return commit;
    }

    /// <summary>Throws if a transaction hangs. This process cannot find out its result; the next owner of the lanes reads it from the log.</summary>
    /// <param name="answering">For how long Kafka has answered other clients.</param>
    public void ThrowIfHung(TimeSpan answering)
    {
        var isStuck = _committing.Elapsed > StuckAfter && answering > StuckAfter / 2;
        if (isStuck || _commit.InCall > HungAfter)
            throw new TimeoutException("a transaction hangs in the client");
    }

    public void Dispose()
    {
        _queue.CompleteAdding();
        if (!_thread.Wait(TimeSpan.FromSeconds(2)))
            return;   // a hung call must not keep the process from ending
        _commit.Dispose();
        _queue.Dispose();
    }

    private void Run()
    {
        foreach (var commit in _queue.GetConsumingEnumerable())
            commit.RunSynchronously(TaskScheduler.Default);
    }
}
