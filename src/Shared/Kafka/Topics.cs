namespace TaskPipeline.Shared.Kafka;

/// <summary>The topics of one pipeline: their names with its prefix, and the settings for creating them.</summary>
public sealed class Topics(KafkaOptions options)
{
    private static readonly TimeSpan LongestSegment = TimeSpan.FromHours(1);

    public string Tasks { get; } = options.TopicPrefix + "tasks";
    public string Progress { get; } = options.TopicPrefix + "task-progress";
    public string Control { get; } = options.TopicPrefix + "task-control";
    public string State { get; } = options.TopicPrefix + "task-state";
    public string Schedule { get; } = options.TopicPrefix + "task-schedule";
    public string DeadLetters { get; } = options.TopicPrefix + "tasks-dlq";
    public string Input { get; } = options.TopicPrefix + "task-input";
    public string Files { get; } = options.TopicPrefix + "task-files";
    public string Workers { get; } = options.TopicPrefix + "task-workers";

    public string WorkerGroup { get; } = options.TopicPrefix + "task-workers";
    public string TailGroup { get; } = options.TopicPrefix + "tail";   // the client requires a group id; tails never join it

    public int Lanes { get; } = options.Partitions;

    public IReadOnlyList<TopicSettings> All =>
    [
        new(Tasks, Lanes, Deleted(options.TaskRetention)),
        new(Progress, Lanes, Deleted(options.ProgressRetention)),
        new(State, Lanes, Compacted),
        new(Schedule, Lanes, Compacted),
        new(Control, 1, Compacted),
        new(DeadLetters, 1, Deleted(options.DeadLetterRetention)),
        new(Input, Lanes, Deleted(options.TaskRetention)),
        new(Files, Lanes, Deleted(options.TaskRetention * 2)),   // half of it to submit a task with the file, half for the task to wait
        new(Workers, 1, Compacted),
    ];

    private static Dictionary<string, string> Deleted(TimeSpan after) => new()
    {
        ["cleanup.policy"] = "delete",
        ["retention.ms"] = Milliseconds(after),
        ["segment.ms"] = Milliseconds(after < LongestSegment ? after : LongestSegment),   // retention never removes the open segment
        ["message.timestamp.type"] = "LogAppendTime",
        ["max.message.bytes"] = KafkaCluster.MaxRecordBytes.ToString(),
    };

    private static Dictionary<string, string> Compacted => new()
    {
        ["cleanup.policy"] = "compact",
        ["segment.ms"] = Milliseconds(TimeSpan.FromMinutes(10)),
        ["segment.bytes"] = (64 * 1024 * 1024).ToString(),
        ["min.cleanable.dirty.ratio"] = "0.1",
        ["message.timestamp.type"] = "LogAppendTime",
        ["max.message.bytes"] = KafkaCluster.MaxRecordBytes.ToString(),
    };

    private static string Milliseconds(TimeSpan span) => ((long)span.TotalMilliseconds).ToString();
}

public sealed record TopicSettings(string Name, int Partitions, IReadOnlyDictionary<string, string> Config);
