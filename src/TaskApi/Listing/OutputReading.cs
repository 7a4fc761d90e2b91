using System.Runtime.CompilerServices;
using System.Text;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>A page of a task's output.</summary>
/// <param name="Next">Send it as <c>after</c> to continue from here, also later for new lines.</param>
/// <param name="Previous">Send it as <c>before</c> to get the page before this one; missing on the first page.</param>
/// <param name="More">There are lines after this page now.</param>
/// <param name="Ended">There will be no more lines.</param>
/// <param name="Gaps">Ranges of lines that are missing on this page, if any.</param>
public sealed record OutputPage(
    string TaskId, IReadOnlyList<NumberedLine> Lines, string Next, bool More, bool Ended, string? Previous = null, IReadOnlyList<OutputHole>? Gaps = null);

/// <summary>One line of output; <paramref name="Seq"/> counts from 1 in each attempt.</summary>
/// <param name="Cut">How many bytes of the line are left out because it is too long.</param>
/// <param name="Part">Number of this part of a long line, from 1. A search covers whole lines.</param>
public sealed record NumberedLine(
    int Attempt, long Seq, OutputStream Stream, string Text, DateTimeOffset At, int? Part = null, bool? Last = null, long? Cut = null)
{
    internal Cursor Place { get; init; }
}

/// <summary>Selects lines.</summary>
/// <param name="Attempt">0: all attempts.</param>
/// <param name="Text">Only lines that contain it, in any case; null: all.</param>
internal readonly record struct LineFilter(StreamFilter Streams, int Attempt, string? Text)
{
    /// <summary>Whether the stream is wanted. The text is not checked here: only a whole line shows it, and this may be a part.</summary>
    public bool Passes(OutputLine line) => Streams.Passes(line.Stream);
}

/// <summary>Reads lines from a log as it is when this reader is made.</summary>
internal sealed class OutputReading(TaskLog log, LogReader reader, LineFilter filter)
{
    private const int LongestHit = 64 * 1024;   // characters; a longer line is cut around the text

    private readonly int _count = log.Count;

    /// <summary>The lines after a place, for people: a system line stands for each range of missing lines.</summary>
    public async IAsyncEnumerable<NumberedLine> LinesAsync(Cursor seen, int limit, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var (line, hole) in FromAsync(seen, cancellationToken))
        {
            if (limit-- == 0)
                break;
            yield return line ?? new NumberedLine(hole!.Attempt, hole.To, OutputStream.System, hole.ToString(), default);
        }
    }

    public async Task<OutputPage> PageAfterAsync(Cursor seen, int limit, CancellationToken cancellationToken)
    {
        List<NumberedLine> lines = [];
        List<OutputHole> holes = [];
        var (more, before) = (false, 0);
        await foreach (var (line, hole) in FromAsync(seen, cancellationToken))
        {
            if (hole is not null)
                holes.Add(hole);
            else if (more = lines.Count == limit)
                break;
            else
            {
                lines.Add(line!);
                before = holes.Count;
            }
        }
        if (more)
            holes.RemoveRange(before, holes.Count - before);   // they are after the page
        return await PageAsync(lines, holes, seen, more, cancellationToken);
    }

    public async Task<OutputPage> PageBeforeAsync(Cursor end, int limit, CancellationToken cancellationToken)
    {
        List<NumberedLine> lines = [];
        List<OutputHole> holes = [];
        await foreach (var (line, hole) in BackFromAsync(end, cancellationToken))
        {
            if (hole is not null)
                holes.Add(hole);
            else if (lines.Count == limit)
                break;
            else
                lines.Add(line!);
        }
        lines.Reverse();
        holes.Reverse();
        if (lines.Count == limit)
            holes.RemoveAll(hole => (hole.Attempt, hole.To).CompareTo((lines[0].Attempt, lines[0].Place.Seq)) < 0);
        var more = false;
        await foreach (var (line, _) in FromAsync(end, cancellationToken))
            if (more = line is not null)
                break;
        return await PageAsync(lines, holes, end, more, cancellationToken);
    }

    private async Task<OutputPage> PageAsync(List<NumberedLine> lines, List<OutputHole> holes, Cursor fallback, bool more, CancellationToken cancellationToken)
    {
        var next = lines.Count > 0 ? lines[^1].Place : fallback;
        var first = lines.Count > 0 ? lines[0].Place with { Seq = lines[0].Place.Seq - 1 } : Cursor.Start;
        var hasPrevious = false;
        if (lines.Count > 0)
            await foreach (
                var (line, _) in new OutputReading(log, reader, filter with { Streams = default, Text = null }).BackFromAsync(first, cancellationToken))
                if (hasPrevious = line is not null)
                    break;
        return new OutputPage(
            log.TaskId, lines, next.ToString(), more, log[_count - 1] is EndEvent, hasPrevious ? first.ToString() : null, holes.Count > 0 ? holes : null);
    }

    private IAsyncEnumerable<(NumberedLine? Line, OutputHole? Hole)> FromAsync(Cursor seen, CancellationToken cancellationToken) =>
        filter.Text is null ? PartsFromAsync(seen, cancellationToken) : HitsFromAsync(seen, cancellationToken);

    private IAsyncEnumerable<(NumberedLine? Line, OutputHole? Hole)> BackFromAsync(Cursor end, CancellationToken cancellationToken) =>
        filter.Text is null ? PartsBackFromAsync(end, cancellationToken) : HitsBackFromAsync(end, cancellationToken);

    /// <summary>Lines that contain the text, each once, as soon as the line is complete.</summary>
    private async IAsyncEnumerable<(NumberedLine? Line, OutputHole? Hole)> HitsFromAsync(
        Cursor seen, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var joiner = new LineJoiner();
        var furthest = seen;
        await foreach (var (part, hole) in PartsFromAsync(seen, cancellationToken))
        {
            if (part is null)
            {
                yield return (null, hole);
                continue;
            }
            List<NumberedLine> parts = part.Part is not null && !joiner.HasBefore(part) ? [.. await BeforeAsync(part, cancellationToken), part] : [part];
            foreach (var line in parts.SelectMany(joiner.Take))
                if (Hit(line) is { } hit)
                    yield return (line.Last == false ? hit with { Place = furthest } : hit, null);   // an unfinished line is found late
            furthest = part.Place;
        }
        if (log[_count - 1] is EndEvent)
            foreach (var line in joiner.Rest())
                if (Hit(line) is { } hit)
                    yield return (hit with { Place = furthest }, null);
    }

    private async IAsyncEnumerable<(NumberedLine? Line, OutputHole? Hole)> HitsBackFromAsync(
        Cursor end, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var behind = new Dictionary<OutputStream, NumberedLine>();   // the part that follows in each stream
        await foreach (var (part, hole) in PartsBackFromAsync(end, cancellationToken))
        {
            if (part is null)
            {
                yield return (null, hole);
                continue;
            }
            var isEnd = part.Last != false || (behind.TryGetValue(part.Stream, out var next) ? IsLeft(part, next) : await IsLeftAsync(part, cancellationToken));
            behind[part.Stream] = part;
            if (isEnd && Hit(part.Part is null ? part : LineJoiner.Join([.. await BeforeAsync(part, cancellationToken), part])) is { } hit)
                yield return (hit, null);
        }
    }

    /// <summary>The parts before this one, as far as they are kept: a page can begin within a line.</summary>
    private async Task<List<NumberedLine>> BeforeAsync(NumberedLine part, CancellationToken cancellationToken)
    {
        List<NumberedLine> before = [];
        var first = part;
        if (part.Part == 1)
            return before;
        await foreach (var (earlier, _) in PartsBackFromAsync(part.Place with { Seq = part.Seq - 1 }, cancellationToken))
        {
            if (earlier is null || (earlier.Stream != part.Stream && earlier.Attempt == part.Attempt))
                continue;
            if (earlier.Attempt != part.Attempt || earlier.Part != first.Part - 1)
                break;
            before.Add(first = earlier);
            if (first.Part == 1)
                break;
        }
        before.Reverse();
        return before;
    }

    /// <summary>Whether the line of this last known part is never finished; otherwise its hit is reported where the line ends.</summary>
    private async Task<bool> IsLeftAsync(NumberedLine part, CancellationToken cancellationToken)
    {
        await foreach (var (next, _) in PartsFromAsync(part.Place, cancellationToken))
            if (next is not null && (next.Attempt != part.Attempt || next.Stream == part.Stream))
                return IsLeft(part, next);
        return log[_count - 1] is EndEvent;
    }

    private static bool IsLeft(NumberedLine part, NumberedLine next) => next.Attempt != part.Attempt || next.Part is null or 1;

    private NumberedLine? Hit(NumberedLine line)
    {
        var place = line.Text.IndexOf(filter.Text!, StringComparison.OrdinalIgnoreCase);
        if (place < 0 || line.Text.Length <= LongestHit)
            return place < 0 ? null : line;
        var (from, to) = (Math.Max(0, place - (LongestHit / 2)), Math.Min(line.Text.Length, place + (LongestHit / 2)));
        if (from > 0 && char.IsLowSurrogate(line.Text[from]))
            from++;
        if (to < line.Text.Length && char.IsLowSurrogate(line.Text[to]))
            to--;
        var around = line.Text[from..to];
        return line with { Text = around, Cut = (line.Cut ?? 0) + Encoding.UTF8.GetByteCount(line.Text) - Encoding.UTF8.GetByteCount(around) };
    }

    private async IAsyncEnumerable<(NumberedLine? Line, OutputHole? Hole)> PartsFromAsync(
        Cursor seen, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var index = FirstBeyond(seen); index < _count; index++)
        {
            if (HoleOf(log[index]) is { } hole && Beyond(hole, seen))
                yield return (null, hole);
            if (log[index] is not LogBlock block || !IsWanted(block))
                continue;
            var content = await reader.ReadAsync(log, index, cancellationToken);
            var count = content.Count;
            for (var item = block.From.Attempt == seen.Attempt ? content.FirstBeyond(seen with { Events = long.MaxValue }) : 0; item < count; item++)
            {
                if (HoleOf(content.GapOf(item)) is { } inner)
                    yield return (null, inner);
                foreach (var line in LinesOf(content, item))
                    if (IsBeyond(line, seen))
                        yield return (line, null);
            }
        }
    }

    private async IAsyncEnumerable<(NumberedLine? Line, OutputHole? Hole)> PartsBackFromAsync(
        Cursor end, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var index = Math.Min(FirstBeyond(end), _count - 1); index >= 0; index--)
        {
            if (HoleOf(log[index]) is { } hole && !Beyond(hole with { To = hole.From }, end))
                yield return (null, hole);
            if (log[index] is not LogBlock block || !IsWanted(block))
                continue;
            var content = await reader.ReadAsync(log, index, cancellationToken);
            for (var item = content.Count - 1; item >= 0; item--)
            {
                if (HoleOf(content.GapOf(item)) is { } inner && !Beyond(inner with { To = inner.From }, end))
                    yield return (null, inner);
                foreach (var line in LinesOf(content, item).AsEnumerable().Reverse())
                    if (!IsBeyond(line, end))
                        yield return (line, null);
            }
        }
    }

    private NumberedLine[] LinesOf(BlockContent content, int item)
    {
        return content.LinesOf(item) is { } lines ? [.. lines.Lines.Where(filter.Passes).Select(line => Numbered(line, lines.Cursor))] : [];

        static NumberedLine Numbered(OutputLine line, Cursor last) =>
            new(last.Attempt, line.Seq, line.Stream, line.Text, line.At, line.Part, line.Last, line.Cut) { Place = last with { Seq = line.Seq } };
    }

    private OutputHole? HoleOf(LogEntry? entry) =>
        entry is GapEvent { Hole: var hole } && (filter.Attempt == 0 || hole.Attempt == filter.Attempt) ? hole : null;

    private bool IsWanted(LogBlock block) => filter.Attempt == 0 || block.From.Attempt == filter.Attempt;

    // Emitted events are not output: a cursor that has seen none of them must not start at the first of them.
    private int FirstBeyond(Cursor seen) => log.FirstBeyond(seen with { Events = long.MaxValue }, _count);

    private static bool Beyond(OutputHole hole, Cursor seen) => (hole.Attempt, hole.To).CompareTo((seen.Attempt, seen.Seq)) > 0;

    private static bool IsBeyond(NumberedLine line, Cursor seen) => (line.Attempt, line.Seq).CompareTo((seen.Attempt, seen.Seq)) > 0;
}
