namespace TaskPipeline.Shared.Kafka;

/// <summary>The topics of one pipeline: their names under its prefix, and the settings they are created with.</summary>
public sealed class Topics(string prefix, int lanes)
{
    public string Tasks { get; } = prefix + "tasks";
    public string Progress { get; } = prefix + "task-progress";
    public string Control { get; } = prefix + "task-control";
    public string State { get; } = prefix + "task-state";
    public string Schedule { get; } = prefix + "task-schedule";
    public string DeadLetters { get; } = prefix + "tasks-dlq";
    public string Workers { get; } = prefix + "task-workers";

    public string WorkerGroup { get; } = prefix + "task-workers";
    public string TailGroup { get; } = prefix + "tail";   // the client insists on a group id; tails never join it

    public int Lanes { get; } = lanes;

    public IReadOnlyList<TopicSettings> All =>
    [
        new(Tasks, Lanes, Deleted(days: 14)),
        new(Progress, Lanes, Deleted(days: 3)),
        new(State, Lanes, Compacted),
        new(Schedule, Lanes, Compacted),
        new(Control, 1, Compacted),
        new(DeadLetters, 1, Deleted(days: 30)),
        new(Workers, 1, Compacted),
    ];

    private static Dictionary<string, string> Deleted(int days) => new()
    {
        ["cleanup.policy"] = "delete",
        ["retention.ms"] = Milliseconds(TimeSpan.FromDays(days)),
        ["segment.ms"] = Milliseconds(TimeSpan.FromHours(1)),
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
