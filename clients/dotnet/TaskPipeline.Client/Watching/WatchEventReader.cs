using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace TaskPipeline.Client;

internal static class WatchEventReader
{
    /// <summary>Parses an event of a watch of one task.</summary>
    /// <exception cref="TaskPipelineException">It is not an event.</exception>
    public static WatchEvent Read(byte[] json) => Read(json, static json => Read(json, ClientJson.Default.HelloEvent));

    /// <summary>Parses an event of a watch of many tasks.</summary>
    /// <exception cref="TaskPipelineException">It is not an event.</exception>
    public static WatchEvent ReadOfView(byte[] json) => Read(json, static json => Read(json, ClientJson.Default.ViewHelloEvent));

    private static WatchEvent Read(byte[] json, Func<byte[], WatchEvent> hello)
    {
        try
        {
            var watchEvent = TypeOf(json) switch
            {
                "hello" => hello(json),
                "state" => Read(json, ClientJson.Default.StateEvent),
                "lines" => WithAttempt(Read(json, ClientJson.Default.LinesEvent)),
                "gap" => Read(json, ClientJson.Default.GapEvent),
                "progress" => Read(json, ClientJson.Default.ProgressEvent),
                "group" => Read(json, ClientJson.Default.GroupEvent),
                "warning" => Read(json, ClientJson.Default.WarningEvent),
                "artifact" => Read(json, ClientJson.Default.ArtifactEvent),
                "message" => Read(json, ClientJson.Default.MessageEvent),
                "tool" => Read(json, ClientJson.Default.ToolEvent),
                "result" => Read(json, ClientJson.Default.ResultEvent),
                "input" => Read(json, ClientJson.Default.InputEvent),
                "event" => Read(json, ClientJson.Default.EmittedEvent),
                "exited" => Read(json, ClientJson.Default.ExitedEvent),
                "caught_up" => Read(json, ClientJson.Default.CaughtUpEvent),
                "end" => Read(json, ClientJson.Default.EndEvent),
                "missed" => Read(json, ClientJson.Default.MissedEvent),
                _ => (WatchEvent)Read(json, ClientJson.Default.UnknownEvent),
            };
            watchEvent.Json = json;
            return watchEvent;
        }
        catch (JsonException exception)
        {
            throw new TaskPipelineException($"The server sent an event that this client cannot read: {exception.Message}", exception);
        }
    }

    private static T Read<T>(byte[] json, JsonTypeInfo<T> type) where T : WatchEvent =>
        JsonSerializer.Deserialize(json, type) ?? throw new JsonException("it is null");

    private static LinesEvent WithAttempt(LinesEvent watchEvent)
    {
        foreach (var line in watchEvent.Lines)
            line.Attempt = watchEvent.Attempt;
        return watchEvent;
    }

    /// <summary>Finds the type first, so that the event is deserialized only once.</summary>
    private static string? TypeOf(byte[] json)
    {
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
                continue;
            var isType = reader.ValueTextEquals("type"u8);
            reader.Read();
            if (isType)
                return reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            reader.Skip();
        }
        return null;
    }
}
