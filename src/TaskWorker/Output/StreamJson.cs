using System.Text.Json;
using System.Text.Json.Nodes;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Parses the JSON lines of agent CLIs: <c>claude -p --output-format stream-json</c> and <c>codex exec --json</c>. Lines that are not in the tables
/// below have no meaning beyond their text.
/// </summary>
internal sealed class StreamJson(AgentParser parser)
{
    private const int LongestText = 4000;
    private const int LargestInput = 12 * 1024;   // in bytes
    private const int LongestResult = 15_000;   // characters; fits into the limit of a result

    private string? _lastMessage;

    public IEnumerable<Note> Read(JsonElement line) => (parser, Text(line, "type")) switch
    {
        (AgentParser.Claude, "assistant") =>
            Member(Member(line, "message"), "content") is { ValueKind: JsonValueKind.Array } content ? content.EnumerateArray().SelectMany(ReadBlock) : [],
        (AgentParser.Claude, "result") => [Of(AgentEventName.Result,
            ("text", Beginning.Shown(Text(line, "result"), LongestResult)), ("is_error", Member(line, "is_error")), ("subtype", Member(line, "subtype")),
            ("turns", Member(line, "num_turns")), ("cost_usd", Member(line, "total_cost_usd")), ("usage", Member(line, "usage")),
                ("session_id", Member(line, "session_id")))],
        (AgentParser.Codex, "item.started") => ReadStarted(Member(line, "item")),
        (AgentParser.Codex, "item.completed") => ReadCompleted(Member(line, "item")),
        (AgentParser.Codex, "turn.completed") =>
            [Of(AgentEventName.Result, ("text", Beginning.Shown(_lastMessage, LongestResult)), ("usage", Member(line, "usage")))],
        (AgentParser.Codex, "turn.failed") => [Of(AgentEventName.Warning, ("message", Beginning.Shown(Text(Member(line, "error"), "message"), LongestText)))],
        (AgentParser.Codex, "error") => [Of(AgentEventName.Warning, ("message", Beginning.Shown(Text(line, "message"), LongestText)))],
        _ => [],
    };

    private static IEnumerable<Note> ReadBlock(JsonElement block) => Text(block, "type") switch
    {
        "text" => [Of(AgentEventName.Message, ("text", Beginning.Shown(Text(block, "text"), LongestText)))],
        "tool_use" => [Of(AgentEventName.Tool, ("name", Member(block, "name")), ("input", Small(Member(block, "input"))))],
        _ => [],
    };

    private static IEnumerable<Note> ReadStarted(JsonElement? item) => Text(item, "type") switch
    {
        "command_execution" => [Of(AgentEventName.Tool, ("name", "command"), ("input", Beginning.Shown(Text(item, "command"), LongestText)))],
        "mcp_tool_call" => [Of(AgentEventName.Tool, ("name", Member(item, "tool")), ("input", Small(Member(item, "arguments"))))],
        "web_search" => [Of(AgentEventName.Tool, ("name", "web_search"), ("input", Beginning.Shown(Text(item, "query"), LongestText)))],
        _ => [],
    };

    private IEnumerable<Note> ReadCompleted(JsonElement? item)
    {
        if (Text(item, "type") != "agent_message")
            return [];
        _lastMessage = Text(item, "text");
        return [Of(AgentEventName.Message, ("text", Beginning.Shown(_lastMessage, LongestText)))];
    }

    private static Note Of(AgentEventName name, params ReadOnlySpan<(string Name, object? Value)> members)
    {
        var data = new JsonObject();
        foreach (var (member, value) in members)
            if (value is not null)
                data[member] = value is JsonElement element ? JsonNode.Parse(element.GetRawText()) : JsonValue.Create((string)value);
        return new Note(name, JsonSerializer.SerializeToElement(data, TaskJson.Wire.JsonObject), default);
    }

    private static JsonElement? Member(JsonElement? of, string name) =>
        of is { ValueKind: JsonValueKind.Object } json && json.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null ? member : null;

    private static string? Text(JsonElement? of, string name) => Member(of, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static JsonElement? Small(JsonElement? json) => json is { } value && AgentNotes.SizeOf(value) <= LargestInput ? value : null;
}
