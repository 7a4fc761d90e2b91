using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Finds what an agent reports about its work: lines of stdout such as <c>::task:progress {"percent":40}</c> and, if its type names a parser, the
/// JSON lines of an agent CLI. These lines stay in the output.
/// </summary>
internal sealed class AgentNotes(AgentParser parser, SecretForms secrets, TimeProvider clock)
{
    private const string Prefix = "::task:";
    private const string ResultWord = "result";
    private const int MostLine = 1024 * 1024;   // in bytes, like the following sizes
    private const int MostData = 16 * 1024;
    private const int MostResult = 64 * 1024;
    private const int MostEvent = 64 * 1024;
    private const int SmallMember = 1024;
    private const int MostNotes = 10_000;   // per attempt, without progress; as many again for results
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    private static readonly Dictionary<string, (AgentEventName Name, string[] OneOf)> Kinds = new()
    {
        ["progress"] = (AgentEventName.Progress, ["percent", "step"]),
        ["group"] = (AgentEventName.Group, ["name"]),
        ["warning"] = (AgentEventName.Warning, ["message"]),
        ["artifact"] = (AgentEventName.Artifact, ["name"]),
        [ResultWord] = (AgentEventName.Result, []),
    };

    private readonly StreamJson _stream = new(parser);
    private readonly JoinedLine _line = new(MostLine);
    private readonly Queue<Note> _found = [];
    private Note? _progress;   // the latest progress, not sent yet
    private long _progressAt;
    private string? _lastObject;   // the last line that looks like a JSON object
    private DateTimeOffset _at;    // time of the current line
    private int _count;
    private int _results;

    /// <summary>Called with the time when the agent reports a result.</summary>
    public Action<DateTimeOffset>? GaveResult { get; init; }

    /// <summary>The agent's last result; null if there is none, or if it is left out.</summary>
    public JsonElement? Result { get; private set; }

    /// <summary>When the agent reported its last result.</summary>
    public DateTimeOffset? ResultAt { get; private set; }

    /// <summary>When the agent reported its first result.</summary>
    public DateTimeOffset? FirstResultAt { get; private set; }

    /// <summary>Whether the last result was too large.</summary>
    public bool IsResultLeftOut { get; private set; }

    /// <summary>Whether the last result says that it is an error.</summary>
    public bool IsError { get; private set; }

    /// <summary>
    /// The last line that is a JSON object, without secrets; of one that is too large only the small members, which are all that retry rules use.
    /// </summary>
    public JsonElement? Event =>
        _lastObject is null || Parse(_lastObject) is not { } json ? null
        : Clean(json, MostEvent, out var isTooLarge) ?? (isTooLarge ? Clean(SmallMembersOf(json), MostEvent, out _) : null);

    public void Read(OutputLine line)
    {
        if (line.Stream != OutputStream.Stdout || _line.Take(line, out var isWhole) is not { } text)
            return;
        _at = line.At;
        if (isWhole)
            ReadWhole(text);
        else if (text.StartsWith($"{Prefix}{ResultWord} ", StringComparison.Ordinal))
            LeaveResultOut($"more than {MostLine}");
    }

    /// <summary>The next note to send; progress is rate limited.</summary>
    /// <param name="isLast">The output has ended.</param>
    public Note? Take(bool isLast = false)
    {
        if (_found.TryDequeue(out var note))
            return note;
        if (_progress is not { } progress || (!isLast && _progressAt != 0 && clock.GetElapsedTime(_progressAt) < ProgressInterval))
            return null;
        (_progress, _progressAt) = (null, clock.GetTimestamp());
        return progress;
    }

    private void ReadWhole(string line)
    {
        if (line is ['{', .., '}'])
            _lastObject = line;
        if (line.StartsWith(Prefix, StringComparison.Ordinal))
            ReadMarked(line.AsSpan(Prefix.Length));
        else if (parser != AgentParser.None && line is ['{', .., '}'] && Parse(line) is { } json)
            foreach (var note in _stream.Read(json))
                Add(note);
    }

    private void ReadMarked(ReadOnlySpan<char> marked)
    {
        var space = marked.IndexOf(' ');
        if (space < 0 || !Kinds.TryGetValue(marked[..space].ToString(), out var kind) || Parse(marked[(space + 1)..].ToString()) is not { } data)
            return;
        if (kind.OneOf.Length == 0 || (data.ValueKind == JsonValueKind.Object && kind.OneOf.Any(name => data.TryGetProperty(name, out _)) && IsPercent(data)))
            Add(new Note(kind.Name, data, _at));
    }

    private void Add(Note note)
    {
        note = note with { At = _at };
        var isResult = note.Name == AgentEventName.Result;
        if (Clean(note.Data, isResult ? MostResult : MostData, out var isTooLarge) is not { } data)
        {
            if (isResult && isTooLarge)
                LeaveResultOut(SizeOf(note.Data).ToString(CultureInfo.InvariantCulture), IsErrorIn(note.Data));
            return;
        }
        note = note with { Data = data };
        if (isResult)
            Give(data, IsErrorIn(data));
        if (note.Name == AgentEventName.Progress)
            _progress = note;
        else if ((isResult ? _results++ : _count++) < MostNotes)
            _found.Enqueue(note);
    }

    /// <summary>Replaces the result by none: an older result must not be taken for this one.</summary>
    private void LeaveResultOut(string bytes, bool isError = false)
    {
        Give(null, isError);
        if (_results++ < MostNotes)
            _found.Enqueue(new Note(AgentEventName.Warning, JsonSerializer.SerializeToElement(new JsonObject
            {
                ["message"] = $"the result has {bytes} bytes and is left out: the limit is {MostResult}",
                [AgentEvent.LeftOutMember] = true,
            }, TaskJson.Wire.JsonObject), _at));
    }

    private void Give(JsonElement? result, bool isError)
    {
        (Result, ResultAt, IsResultLeftOut, IsError) = (result, _at, result is null, isError);
        FirstResultAt ??= _at;
        GaveResult?.Invoke(_at);
    }

    private static bool IsErrorIn(JsonElement result) =>
        result.ValueKind == JsonValueKind.Object && result.TryGetProperty("is_error", out var isError) && isError.ValueKind == JsonValueKind.True;

    /// <summary>Masks secrets that were hidden from the line's own masking by JSON escapes; null if the data is too large.</summary>
    private JsonElement? Clean(JsonElement data, int most, out bool isTooLarge)
    {
        isTooLarge = false;
        try
        {
            var text = JsonSerializer.Serialize(data, TaskJson.Wire.JsonElement);
            isTooLarge = SizeOf(data) > most;
            return isTooLarge ? null
                : secrets.IsIn(text) ? Parse(secrets.Masked(text))
                : data;
        }
        catch (Exception exception) when (exception is InvalidOperationException or JsonException)
        {
            return null;   // a string in it is not valid text
        }
    }

    /// <summary>Size in UTF-8 with unescaped characters: escapes that an encoder adds on the way to Kafka do not count.</summary>
    public static int SizeOf(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => 2 - Math.Min(1, json.GetPropertyCount())
            + json.EnumerateObject().Sum(member => Encoding.UTF8.GetByteCount(member.Name) + 4 + SizeOf(member.Value)),
        JsonValueKind.Array => 2 + json.EnumerateArray().Sum(element => SizeOf(element) + 1) - Math.Min(1, json.GetArrayLength()),
        JsonValueKind.String => Encoding.UTF8.GetByteCount(json.GetString()!) + 2,
        _ => json.GetRawText().Length,
    };

    private static JsonElement SmallMembersOf(JsonElement json)
    {
        var small = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(small))
        {
            writer.WriteStartObject();
            foreach (var member in json.EnumerateObject())
                if (SizeOf(member.Value) <= SmallMember)
                    member.WriteTo(writer);
            writer.WriteEndObject();
        }
        return JsonElement.Parse(small.WrittenSpan);
    }

    private static bool IsPercent(JsonElement data) =>
        !data.TryGetProperty("percent", out var percent) || (percent.ValueKind == JsonValueKind.Number && percent.GetDouble() is >= 0 and <= 100);

    /// <summary>Null: not JSON, or JSON that records cannot hold.</summary>
    private static JsonElement? Parse(string json)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        return JsonText.Check(bytes, TaskJson.MostValueDepth) is null ? JsonElement.Parse(bytes) : null;
    }
}

/// <summary>Something that an agent reported, in JSON.</summary>
/// <param name="At">When the agent reported it.</param>
internal sealed record Note(AgentEventName Name, JsonElement Data, DateTimeOffset At);
