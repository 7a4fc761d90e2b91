using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe;

/// <summary>The JSON of <c>--json</c>: the server's own fields, one object per line.</summary>
[JsonSerializable(typeof(SubmittedTask))]
[JsonSerializable(typeof(TaskSummary))]
[JsonSerializable(typeof(TaskDetail))]
[JsonSerializable(typeof(OutputLine))]
[JsonSerializable(typeof(DeadLetter))]
[JsonSerializable(typeof(DeadLetterDetail))]
[JsonSerializable(typeof(SentInput))]
[JsonSerializable(typeof(SentEvent))]
[JsonSerializable(typeof(Artifact))]
[JsonSerializable(typeof(Done))]
internal sealed partial class TaskpipeJson : JsonSerializerContext
{
    public static TaskpipeJson Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}

/// <summary>The answer of a command that the server answers without data.</summary>
internal sealed record Done(string TaskId, string Requested);
