using Confluent.Kafka;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Attempts;
using TaskPipeline.TaskWorker.Output;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>A task of an owned lane that has not ended.</summary>
/// <param name="offset">Offset of its record in <c>tasks</c>.</param>
/// <param name="type">Null: there is no such type.</param>
internal sealed class QueuedTask(OwnedLane lane, long offset, TaskSubmission submission, TaskType? type)
{
    public OwnedLane Lane { get; } = lane;
    public long Offset { get; } = offset;
    public string TaskId => Submission.TaskId;
    public TaskSubmission Submission { get; } = submission;
    public TaskType? Type { get; } = type;

    /// <summary>Its record, while it is not certain that the task belongs to this lane; nothing is decided before that. Null: it is certain.</summary>
    public ConsumeResult<byte[]?, byte[]?>? Unplaced { get; set; }

    /// <summary>One session after a lost attempt, if two attempts must not overlap.</summary>
    public DateTimeOffset NotBefore { get; set; }

    /// <summary>Whether an attempt of it is running, here or on a worker that has handed its lane over.</summary>
    public bool IsRunning { get; set; }

    /// <summary>How often its records were reduced because Kafka refused them; see <see cref="Reduction"/>.</summary>
    public int Reductions { get; private set; }

    /// <summary>Whether two attempts of it, or of tasks with its key, must never run at the same time.</summary>
    public bool MustNotOverlap => Type?.Overlap == Overlap.Never || Submission.Concurrency is not null;

    /// <param name="attempt">Only for a task with a known type.</param>
    public AttemptOrder OrderOf(int attempt) => new(new AttemptId(Lane.Partition, Lane.Claim, TaskId, attempt), Submission, Type!, MustNotOverlap);

    /// <summary>Reduces its records. False: they cannot be reduced further.</summary>
    public bool TryReduce()
    {
        if (Reductions >= Reduction.Most)
            return false;
        Reductions++;
        return true;
    }

    /// <summary>The next time at which its end or expiry is due.</summary>
    public DateTimeOffset? NextDeadline(bool hasStarted) => hasStarted ? Submission.Deadline
        : Submission.StartBy is { } startBy && !(Submission.Deadline < startBy) ? startBy : Submission.Deadline;
}
