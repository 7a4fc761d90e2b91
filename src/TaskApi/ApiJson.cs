using System.Text.Json.Serialization;
using TaskPipeline.TaskApi.Health;
using TaskPipeline.TaskApi.Listing;
using TaskPipeline.TaskApi.Stopping;
using TaskPipeline.TaskApi.Submitting;
using TaskPipeline.TaskApi.Watching;

namespace TaskPipeline.TaskApi;

/// <summary>The JSON of this API: snake_case, what is not there is left out.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SubmitTask))]
[JsonSerializable(typeof(SubmitAnswer))]
[JsonSerializable(typeof(StopTask))]
[JsonSerializable(typeof(StopAnswer))]
[JsonSerializable(typeof(TaskPage))]
[JsonSerializable(typeof(TaskDetail))]
[JsonSerializable(typeof(TaskTypeList))]
[JsonSerializable(typeof(OutputPage))]
[JsonSerializable(typeof(HealthAnswer))]
[JsonSerializable(typeof(ReadyAnswer))]
[JsonSerializable(typeof(WatchRequest))]
internal sealed partial class ApiJson : JsonSerializerContext;
