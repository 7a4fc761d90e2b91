using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Lanes;

/// <summary>
/// Reduces records that are too large for Kafka: an end must be written, whatever the task has collected. The least important parts are left out
/// first, and the record names them.
/// </summary>
internal static class Reduction
{
    /// <summary>Characters that are kept of an error.</summary>
    public const int ShortText = 200;

    private const int MostBytes = KafkaCluster.MaxRecordBytes - 4096;   // leaves room for the key and Kafka's overhead

    private static readonly string[] Order = [StateParts.Artifacts, StateParts.Errors, StateParts.Result, StateParts.Attempts, StateParts.Params];

    /// <summary>How many levels of reduction there are.</summary>
    public static int Most => Order.Length;

    /// <summary>The first encoding from <paramref name="level"/> on that fits, or the smallest.</summary>
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
