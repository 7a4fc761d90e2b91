using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Reading;

namespace TaskPipeline.TaskWorker.Reporting;

/// <summary>
/// Finds what an agent says of its work: lines of stdout such as <c>::task:progress {"percent":40}</c>, and, where its type names a parser, those of an agent
/// CLI. Each such line stays among the lines.
/// </summary>
internal sealed class AgentNotes(AgentParser parser, SecretForms secrets, TimeProvider clock)
{
    private const string Prefix = "::task:";
    private const int MostLine = 256 * 1024;
    private const int MostData = 16 * 1024;
    private const int MostResult = 64 * 1024;
    private const int MostNotes = 10_000;   // of an attempt, progress aside
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    private static readonly Dictionary<string, (NoteName Name, string[] OneOf)> Kinds = new()
    {
        ["progress"] = (NoteName.Progress, ["percent", "step"]),
        ["group"] = (NoteName.Group, ["name"]),
        ["warning"] = (NoteName.Warning, ["message"]),
        ["artifact"] = (NoteName.Artifact, ["name"]),
        ["result"] = (NoteName.Result, []),
    };

    private readonly StreamJson _stream = new(parser);
    private readonly StringBuilder _line = new();
    private readonly Queue<Note> _found = [];
    private Note? _progress;   // waits for its turn
    private long _progressAt;
    private int _count;

    /// <summary>The last one that the agent gave.</summary>
    public JsonElement? Result { get; private set; }

    public void Read(OutputLine line)
    {
        if (line.Stream != OutputStream.Stdout)
            return;
        if (line.Part is null)
        {
            ReadWhole(line.Text);
            return;
        }
        if (_line.Length <= MostLine)
            _line.Append(line.Text);
        if (line.Last != true)
            return;
        if (_line.Length <= MostLine)
            ReadWhole(_line.ToString());
        _line.Clear();
    }

    /// <summary>The next one to be told; of much progress only some.</summary>
    /// <param name="isLast">Nothing more comes.</param>
    public Note? Take(bool isLast = false)
    {
        if (_found.TryDequeue(out var note))
            return note;
        if (_progress is not { } progress || (!isLast && _progressAt != 0 && clock.GetElapsedTime(_progressAt) < ProgressInterval))
            return null;
        (_progress, _progressAt) = (null, clock.GetTimestamp());
        return progress;
    }

    /// <summary>A line that is a JSON object, without secrets; null: it is none.</summary>
    public JsonElement? ObjectOf(string line) => line is ['{', .., '}'] && Parse(line) is { } json ? Clean(json, MostData) : null;

    private void ReadWhole(string line)
    {
        try
        {
            if (line.StartsWith(Prefix, StringComparison.Ordinal))
                ReadMarked(line.AsSpan(Prefix.Length));
            else if (parser != AgentParser.None && line is ['{', .., '}'] && Parse(line) is { } json)
                foreach (var note in _stream.Read(json))
                    Add(note);
        }
        catch (InvalidOperationException)
        {
            // A string in it is no text, such as half of a surrogate pair: it is only a line.
        }
    }

    private void ReadMarked(ReadOnlySpan<char> marked)
    {
        var space = marked.IndexOf(' ');
        if (space < 0 || !Kinds.TryGetValue(marked[..space].ToString(), out var kind) || Parse(marked[(space + 1)..].ToString()) is not { } data)
            return;
        if (kind.OneOf.Length == 0 || (data.ValueKind == JsonValueKind.Object && kind.OneOf.Any(name => data.TryGetProperty(name, out _)) && IsPercent(data)))
            Add(new Note(kind.Name, data));
    }

    private void Add(Note note)
    {
        if (Clean(note.Data, note.Name == NoteName.Result ? MostResult : MostData) is not { } data)
            return;
        note = note with { Data = data };
        if (note.Name == NoteName.Result)
            Result = data;
        if (note.Name == NoteName.Progress)
            _progress = note;
        else if (_count++ < MostNotes)
            _found.Enqueue(note);
    }

    /// <summary>Without a secret that JSON's own escapes hid from who looked at the line; null where it is too large.</summary>
    private JsonElement? Clean(JsonElement data, int most)
    {
        try
        {
            var text = JsonSerializer.Serialize(data, TaskJson.Wire.JsonElement);
            return Encoding.UTF8.GetByteCount(text) > most ? null
                : secrets.IsIn(text) ? Parse(new SecretMask(secrets).Of(text, isWhole: true))
                : data;
        }
        catch (Exception exception) when (exception is InvalidOperationException or JsonException)
        {
            return null;   // a string in it is no text
        }
    }

    private static bool IsPercent(JsonElement data) =>
        !data.TryGetProperty("percent", out var percent) || (percent.ValueKind == JsonValueKind.Number && percent.GetDouble() is >= 0 and <= 100);

    /// <summary>Null: it is no JSON, or none that records can hold.</summary>
    private static JsonElement? Parse(string json)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        return JsonText.Check(bytes, TaskJson.MostValueDepth) is null ? JsonElement.Parse(bytes) : null;
    }
}

/// <summary>What an agent said, in JSON.</summary>
internal sealed record Note(NoteName Name, JsonElement Data);
