using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.AgentCli.Summarising;

internal sealed record ChatRequest(string Model, ChatMessage[] Messages, bool Stream);

internal sealed record ChatMessage(string Role, string Content);

[JsonSerializable(typeof(ChatRequest))]
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
internal sealed partial class ChatJson : JsonSerializerContext;
