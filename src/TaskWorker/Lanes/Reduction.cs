using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// Makes a record fit that would be larger than Kafka takes: an end must be written, whatever the task has gathered until then. What is the least missed is
/// left out first, and the record says what that was.
/// </summary>
internal static class Reduction
{
    /// <summary>Characters of an error that was made shorter.</summary>
    public const int ShortText = 200;

    private const int MostBytes = KafkaCluster.MaxRecordBytes - 4096;   // with its key, and what Kafka puts around a record

    private static readonly string[] Order = [StateParts.Artifacts, StateParts.Errors, StateParts.Result, StateParts.Attempts, StateParts.Params];

    /// <summary>How often a record can be made smaller.</summary>
    public static int Most => Order.Length;

    /// <summary>The first that is small enough, from a level on; where none is, the smallest.</summary>
    public static byte[] Fit(int level, Func<int, byte[]> encode)
    {
        while (true)
        {
            var encoded = encode(level);
            if (encoded.Length <= MostBytes || level >= Most)
                return encoded;
            level++;
        }
    }

    public static TaskState Of(TaskState state, int level)
    {
        if (level == 0)
            return state;
        return state with
        {
            Attempts = Of(state.Attempts, level),
            Error = Has(level, StateParts.Errors) ? Beginning.Shown(state.Error, ShortText) : state.Error,
            Result = Has(level, StateParts.Result) ? null : state.Result,
            Task = Of(state.Task, level),
            LeftOut = Order[..level],
        };
    }

    public static DeadLetter Of(DeadLetter letter, int level)
    {
        if (level == 0)
            return letter;
        return letter with
        {
            Attempts = Of(letter.Attempts, level),
            Error = Has(level, StateParts.Errors) ? Beginning.Shown(letter.Error, ShortText) : letter.Error,
            OutputTail = Has(level, StateParts.Errors) ? Beginning.Shown(letter.OutputTail, ShortText) : letter.OutputTail,
            Task = letter.Task is { } task ? Of(task, level) : null,
            LeftOut = Order[..level],
        };
    }

    private static TaskSubmission Of(TaskSubmission task, int level) => Has(level, StateParts.Params) ? task with { Params = [], Labels = null } : task;

    private static IReadOnlyList<AttemptSummary> Of(IReadOnlyList<AttemptSummary> attempts, int level)
    {
        var left = Has(level, StateParts.Attempts) ? attempts.Skip(attempts.Count - 1) : attempts;
        return [.. left.Select(attempt => attempt with
        {
            Artifacts = null,
            Error = Has(level, StateParts.Errors) ? Beginning.Shown(attempt.Error, ShortText) : attempt.Error,
        })];
    }

    private static bool Has(int level, string part) => Array.IndexOf(Order, part) < level;
}
