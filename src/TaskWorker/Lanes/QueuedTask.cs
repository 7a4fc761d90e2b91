using Confluent.Kafka;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Attempts;
using TaskPipeline.TaskWorker.Output;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>A task of an owned lane that has not ended.</summary>
/// <param name="offset">Of its record in <c>tasks</c>.</param>
/// <param name="type">Null: there is none of that name.</param>
internal sealed class QueuedTask(OwnedLane lane, long offset, TaskSubmission submission, TaskType? type)
{
    public OwnedLane Lane { get; } = lane;
    public long Offset { get; } = offset;
    public string TaskId => Submission.TaskId;
    public TaskSubmission Submission { get; } = submission;
    public TaskType? Type { get; } = type;

    /// <summary>
    /// Its record, as long as it is not certain that the task is in this lane and not in another; nothing is decided about it before. Null: it is.
    /// </summary>
    public ConsumeResult<byte[]?, byte[]?>? Unplaced { get; set; }

    /// <summary>A session after an attempt was lost, where two attempts must not overlap.</summary>
    public DateTimeOffset NotBefore { get; set; }

    /// <summary>Whether an attempt of it goes on, here or with a worker that has handed its lane over.</summary>
    public bool IsRunning { get; set; }

    /// <summary>How often what is written of it was made smaller because Kafka has refused it: see <see cref="Reduction"/>.</summary>
    public int Reductions { get; private set; }

    /// <summary>Whether no two attempts of it, or of tasks with its key, may ever run at once.</summary>
    public bool MustNotOverlap => Type?.Overlap == Overlap.Never || Submission.Concurrency is not null;

    /// <param name="attempt">Its type is known, else there is none.</param>
    public AttemptOrder OrderOf(int attempt) => new(new AttemptId(Lane.Partition, Lane.Claim, TaskId, attempt), Submission, Type!, MustNotOverlap);

    /// <summary>What is written of it is to be made smaller. False: that cannot be done.</summary>
    public bool TryReduce()
    {
        if (Reductions >= Reduction.Most)
            return false;
        Reductions++;
        return true;
    }

    /// <summary>When the passing of time alone decides something about it.</summary>
    public DateTimeOffset? NextDeadline(bool hasStarted) => hasStarted ? Submission.Deadline
        : Submission.StartBy is { } startBy && !(Submission.Deadline < startBy) ? startBy : Submission.Deadline;
}
