using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>Joins the parts of long lines. Each stream can have one unfinished line.</summary>
internal sealed class LineJoiner
{
    private readonly SortedDictionary<OutputStream, List<NumberedLine>> _open = [];

    /// <summary>Whether the preceding part was taken, or this is the first part.</summary>
    public bool HasBefore(NumberedLine part) =>
        part.Part == 1 || (_open.GetValueOrDefault(part.Stream) is [.., var last] && last.Attempt == part.Attempt && last.Part == part.Part - 1);

    /// <summary>Takes a part and returns what is complete now: its line, and lines that can never be finished.</summary>
    public IEnumerable<NumberedLine> Take(NumberedLine line)
    {
        foreach (var stream in _open.Keys.Where(
            stream => _open[stream][0].Attempt != line.Attempt || (stream == line.Stream && line.Part is null or 1)).ToList())
            yield return Close(stream);
        if (line.Part is null)
        {
            yield return line;
            yield break;
        }
        if (!_open.TryGetValue(line.Stream, out var parts))
            _open[line.Stream] = parts = [];
        parts.Add(line);
        if (line.Last == true)
            yield return Close(line.Stream);
    }

    /// <summary>What was taken of unfinished lines.</summary>
    public IEnumerable<NumberedLine> Rest() => _open.Keys.ToList().Select(Close);

    private NumberedLine Close(OutputStream stream)
    {
        _open.Remove(stream, out var parts);
        return Join(parts!);
    }

    /// <summary>Joins parts to one line: it has the number of the first part and the place of the last.</summary>
    public static NumberedLine Join(IReadOnlyList<NumberedLine> parts)
    {
        var cut = parts.Sum(part => part.Cut ?? 0);
        var isWhole = parts is [{ Part: 1 }, ..] && parts[^1].Last == true;
        return parts[0] with
        {
            Text = string.Concat(parts.Select(part => part.Text)),
            Part = isWhole ? null : parts[0].Part,
            Last = isWhole ? null : parts[^1].Last,
            Cut = cut > 0 ? cut : null,
            Place = parts[^1].Place,
        };
    }
}
