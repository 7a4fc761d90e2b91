using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

internal static class WholeLines
{
    /// <summary>Joins the parts of long lines, between which there can be lines of another stream. Returns each line once, when it is complete.</summary>
    public static async IAsyncEnumerable<OutputLine> Of(IAsyncEnumerable<OutputLine> lines)
    {
        var open = new SortedDictionary<OutputStream, List<OutputLine>>();
        await foreach (var line in lines)
        {
            foreach (var (stream, parts) in open.Where(line.EndsWithout).ToList())
            {
                open.Remove(stream);
                yield return Join(parts);
            }
            if (line.Part is null)
            {
                yield return line;
                continue;
            }
            if (!open.TryGetValue(line.Stream, out var before))
                open[line.Stream] = before = [];
            before.Add(line);
            if (line.Last == true && open.Remove(line.Stream))
                yield return Join(before);
        }
        foreach (var parts in open.Values)
            yield return Join(parts);
    }

    /// <summary>Whether the next line shows that an open line will never be completed.</summary>
    private static bool EndsWithout(this OutputLine next, KeyValuePair<OutputStream, List<OutputLine>> open) =>
        open.Value[0].Attempt != next.Attempt || (open.Key == next.Stream && next.Part is null or 1);

    private static OutputLine Join(List<OutputLine> parts)
    {
        var cut = parts.Sum(part => part.Cut ?? 0);
        return parts[0] with { Text = string.Concat(parts.Select(part => part.Text)), Part = null, Last = null, Cut = cut > 0 ? cut : null };
    }
}
