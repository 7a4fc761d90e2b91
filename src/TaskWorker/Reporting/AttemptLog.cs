using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Consuming;
using TaskPipeline.TaskWorker.Running;

namespace TaskPipeline.TaskWorker.Reporting;

/// <summary>
/// Writes the records of one attempt. What something follows from is waited for and entered into the lane's own log; the rest is only handed over.
/// </summary>
internal sealed class AttemptLog(ProgressLog log, OwnedLane lane, string taskId, int attempt, string worker, TimeProvider clock)
{
    public Task StartingAsync(string configHash) => AppendAsync(new AttemptStarting
    {
        Epoch = lane.Claim.Epoch,
        Owner = lane.Claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Worker = worker,
        ConfigHash = configHash,
        Update = "Starting...",
    });

    public void Running(int pid) => log.Append(lane.Partition, new AttemptRunning
    {
        Epoch = lane.Claim.Epoch,
        Owner = lane.Claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Pid = pid,
        Update = "Running",
    });

    /// <summary>Does not wait; <paramref name="done"/> is called once Kafka has the lines.</summary>
    public void Lines(IReadOnlyList<OutputLine> lines, Action done) => log.Append(lane.Partition, new OutputLines
    {
        Epoch = lane.Claim.Epoch,
        Owner = lane.Claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = lines[^1].At,
        Lines = lines,
        Update = string.Join('\n', lines.Select(line => line.Text)),
    }, done);

    public void Stopping(string? requestedBy) => log.Append(lane.Partition, new TaskStopping
    {
        Epoch = lane.Claim.Epoch,
        Owner = lane.Claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Worker = worker,
        RequestedBy = requestedBy,
        Update = "Stopping...",
    });

    public Task ExitedAsync(EndReason reason, AgentExit? exit, string? error, long lines, string hash) => AppendAsync(new AttemptExited
    {
        Epoch = lane.Claim.Epoch,
        Owner = lane.Claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Reason = reason,
        ExitCode = exit?.ExitCode,
        Signal = exit?.Signal,
        Error = error,
        Lines = lines,
        Hash = hash,
        ProcessesEnded = exit?.ProcessesEnded ?? 0,
    });

    public Task AbandonedAsync(EndReason reason) => AppendAsync(new AttemptAbandoned
    {
        Epoch = lane.Claim.Epoch,
        Owner = lane.Claim.Owner,
        TaskId = taskId,
        Attempt = attempt,
        At = clock.GetUtcNow(),
        Reason = reason,
        Update = "Given back",
    });

    private async Task AppendAsync(AttemptRecord record)
    {
        var offset = await log.AppendAsync(lane.Partition, record);
        lane.Log.Apply(record, offset);
    }
}
