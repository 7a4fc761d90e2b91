using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>JSON of the API: snake_case. Null values are not written, and unknown fields are ignored.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, MaxDepth = 256)]
[JsonSerializable(typeof(ProblemDocument))]
[JsonSerializable(typeof(NewTask))]
[JsonSerializable(typeof(SubmittedTask))]
[JsonSerializable(typeof(TaskDetail))]
[JsonSerializable(typeof(TaskPage))]
[JsonSerializable(typeof(TaskTypeList))]
[JsonSerializable(typeof(OutputLine))]
[JsonSerializable(typeof(DeadLetterDetail))]
[JsonSerializable(typeof(DeadLetterPage))]
[JsonSerializable(typeof(StopRequest))]
[JsonSerializable(typeof(InputBody))]
[JsonSerializable(typeof(SentInput))]
[JsonSerializable(typeof(RepeatBody))]
[JsonSerializable(typeof(EmitBody))]
[JsonSerializable(typeof(SentEvent))]
[JsonSerializable(typeof(StoredFile))]
[JsonSerializable(typeof(ArtifactList))]
[JsonSerializable(typeof(Answer))]
[JsonSerializable(typeof(HelloEvent))]
[JsonSerializable(typeof(StateEvent))]
[JsonSerializable(typeof(LinesEvent))]
[JsonSerializable(typeof(GapEvent))]
[JsonSerializable(typeof(ProgressEvent))]
[JsonSerializable(typeof(GroupEvent))]
[JsonSerializable(typeof(WarningEvent))]
[JsonSerializable(typeof(ArtifactEvent))]
[JsonSerializable(typeof(MessageEvent))]
[JsonSerializable(typeof(ToolEvent))]
[JsonSerializable(typeof(ResultEvent))]
[JsonSerializable(typeof(InputEvent))]
[JsonSerializable(typeof(EmittedEvent))]
[JsonSerializable(typeof(ExitedEvent))]
[JsonSerializable(typeof(CaughtUpEvent))]
[JsonSerializable(typeof(EndEvent))]
[JsonSerializable(typeof(ViewHelloEvent))]
[JsonSerializable(typeof(MissedEvent))]
[JsonSerializable(typeof(UnknownEvent))]
internal sealed partial class ClientJson : JsonSerializerContext;

/// <summary>An answer whose content does not matter.</summary>
internal sealed record Answer;

internal sealed record InputBody(string? Text, bool? Close);

internal sealed record EmitBody(string Name, JsonNode? Data);

internal sealed record RepeatBody(JsonObject? Params);
