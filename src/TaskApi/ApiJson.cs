using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using TaskPipeline.TaskApi.DeadLetters;
using TaskPipeline.TaskApi.Emitting;
using TaskPipeline.TaskApi.Health;
using TaskPipeline.TaskApi.Listing;
using TaskPipeline.TaskApi.Repeating;
using TaskPipeline.TaskApi.Scheduling;
using TaskPipeline.TaskApi.Stopping;
using TaskPipeline.TaskApi.Submitting;
using TaskPipeline.TaskApi.Watching;
using TaskPipeline.TaskApi.Workers;

namespace TaskPipeline.TaskApi;

/// <summary>The JSON of this API: snake_case names, null values are left out.</summary>
[JsonSerializable(typeof(SubmitTask))]
[JsonSerializable(typeof(SubmitAnswer))]
[JsonSerializable(typeof(StopTask))]
[JsonSerializable(typeof(StopAnswer))]
[JsonSerializable(typeof(ReleaseAnswer))]
[JsonSerializable(typeof(RepeatTask))]
[JsonSerializable(typeof(EmitEvent))]
[JsonSerializable(typeof(EmitAnswer))]
[JsonSerializable(typeof(DeadLetterPage))]
[JsonSerializable(typeof(DeadLetterDetail))]
[JsonSerializable(typeof(DiscardAnswer))]
[JsonSerializable(typeof(RedriveTasks))]
[JsonSerializable(typeof(RedriveAnswer))]
[JsonSerializable(typeof(RedriveProgress))]
[JsonSerializable(typeof(TaskPage))]
[JsonSerializable(typeof(TaskDetail))]
[JsonSerializable(typeof(TaskTypeList))]
[JsonSerializable(typeof(OutputPage))]
[JsonSerializable(typeof(WorkerList))]
[JsonSerializable(typeof(QueueView))]
[JsonSerializable(typeof(HealthAnswer))]
[JsonSerializable(typeof(ReadyAnswer))]
[JsonSerializable(typeof(WatchRequest))]
internal sealed partial class ApiJson : JsonSerializerContext
{
    public static void Apply(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.MaxDepth = 256;   // a record can be 64 levels deep; an answer adds levels around it and must not fail
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;   // answers are application/json with nosniff: no browser reads them as HTML
        options.TypeInfoResolverChain.Insert(0, Default);
    }
}
