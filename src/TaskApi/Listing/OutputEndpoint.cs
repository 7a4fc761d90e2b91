using System.Globalization;
using System.Net.Mime;
using System.Text;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Tailing;
using TaskPipeline.TaskApi.Watching;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>A page of a task's output.</summary>
/// <param name="Next">Give it as <c>after</c> to go on from here, also later when there is more.</param>
/// <param name="Previous">Give it as <c>before</c> for the page before this one; where it is missing this is the first.</param>
/// <param name="More">There are lines behind this page now.</param>
/// <param name="Ended">No more lines will come.</param>
/// <param name="Gaps">Lines that are missing here, where some are.</param>
public sealed record OutputPage(
    string TaskId, IReadOnlyList<NumberedLine> Lines, string Next, bool More, bool Ended, string? Previous = null, IReadOnlyList<OutputHole>? Gaps = null);

/// <summary>One line of output; <paramref name="Seq"/> counts from 1 in each attempt.</summary>
/// <param name="Cut">How many bytes of it are left out, because it is too long.</param>
public sealed record NumberedLine(int Attempt, long Seq, OutputStream Stream, string Text, DateTimeOffset At, int? Part = null, bool? Last = null, long? Cut = null)
{
    internal Cursor Place { get; init; }
}

internal static class OutputEndpoint
{
    private const int DefaultLimit = 1000;
    private const int MostLines = 10_000;

    public static async Task<IResult> GetAsync(string id, HttpContext context, TaskFinder finder, string? after, string? before, string? limit, string? attempt, string? stream, string? format)
    {
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        if (problem is not null)
            return problem;
        Dictionary<string, string[]> errors = [];
        var from = Cursor.Start;
        var to = Cursor.Start;
        if (!string.IsNullOrEmpty(after) && !Cursor.TryParse(after, out from))
            errors["after"] = ["must be a cursor"];
        if (!string.IsNullOrEmpty(before) && !Cursor.TryParse(before, out to))
            errors["before"] = ["must be a cursor"];
        if (!TryNumber(limit, DefaultLimit, MostLines, out var most))
            errors["limit"] = [$"must be 1 to {MostLines}"];
        if (!TryNumber(attempt, 0, int.MaxValue, out var onlyAttempt))
            errors["attempt"] = ["must be a number"];
        if (!StreamFilter.TryParse(stream, out var filter))
            errors["stream"] = ["must be stdout, stderr or system, or several of them with commas"];
        if (format is not (null or "" or "json" or "text"))
            errors["format"] = ["must be json or text"];
        if (errors.Count > 0)
            return Problem.Invalid(errors);

        var reading = new OutputReading(found!.Log, filter, onlyAttempt);
        if (format == "text")
            return new PlainOutput(id, reading.WithGaps(from, string.IsNullOrEmpty(limit) ? int.MaxValue : most));
        return TypedResults.Ok(string.IsNullOrEmpty(before) ? reading.PageAfter(id, from, most) : reading.PageBefore(id, to, most));
    }

    private static bool TryNumber(string? text, int byDefault, int most, out int number)
    {
        number = byDefault;
        return string.IsNullOrEmpty(text) || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= 1 && number <= most);
    }
}

/// <summary>Reads lines off a log as it stands at this moment.</summary>
internal sealed class OutputReading(TaskLog log, StreamFilter filter, int onlyAttempt)
{
    private readonly int _count = log.Count;

    public IEnumerable<NumberedLine> From(Cursor seen, int limit) => From(seen, limit, LinesAt);

    /// <summary>As people read it: a line of the system's own tells of lines that are missing.</summary>
    public IEnumerable<NumberedLine> WithGaps(Cursor seen, int limit) => From(seen, limit, index => HoleAt(index) is { } hole
        ? [new NumberedLine(hole.Attempt, hole.To, OutputStream.System, hole.ToString(), default)]
        : LinesAt(index));

    public OutputPage PageAfter(string taskId, Cursor seen, int limit)
    {
        var lines = From(seen, limit + 1).ToList();
        var more = lines.Count > limit;
        if (more)
            lines.RemoveAt(limit);
        return Page(taskId, lines, seen, more) with { Gaps = Holes(seen, more ? lines[^1].Place : null) };
    }

    public OutputPage PageBefore(string taskId, Cursor end, int limit)
    {
        var last = Math.Min(FirstBeyond(end) + 1, _count);
        List<NumberedLine> lines = [.. Enumerable.Range(0, last).Reverse().SelectMany(index => LinesAt(index).Reverse()).Where(line => !IsBeyond(line, end)).Take(limit)];
        lines.Reverse();
        return Page(taskId, lines, end, From(end, 1).Any()) with { Gaps = Holes(lines.Count == limit ? lines[0].Place : Cursor.Start, end) };
    }

    private OutputPage Page(string taskId, List<NumberedLine> lines, Cursor fallback, bool more)
    {
        var next = lines.Count > 0 ? lines[^1].Place : fallback;
        var previous = lines.Count > 0 && HasLinesBefore(lines[0]) ? (lines[0].Place with { Seq = lines[0].Seq - 1 }).ToString() : null;
        return new OutputPage(taskId, lines, next.ToString(), more, log[_count - 1] is EndEvent, previous);
    }

    private bool HasLinesBefore(NumberedLine line) =>
        Enumerable.Range(0, _count).SelectMany(LinesAt).First() is var first && (first.Attempt, first.Seq) != (line.Attempt, line.Seq);

    private IEnumerable<NumberedLine> From(Cursor seen, int limit, Func<int, IEnumerable<NumberedLine>> at) =>
        Enumerable.Range(0, _count).Skip(FirstBeyond(seen)).SelectMany(at).Where(line => IsBeyond(line, seen)).Take(limit);

    private OutputHole[]? Holes(Cursor seen, Cursor? end)
    {
        OutputHole[] holes = [.. Enumerable.Range(0, _count).Select(HoleAt).OfType<OutputHole>()
            .Where(hole => (hole.Attempt, hole.To).CompareTo((seen.Attempt, seen.Seq)) > 0 && (end is not { } last || (hole.Attempt, hole.From).CompareTo((last.Attempt, last.Seq)) < 0))];
        return holes.Length == 0 ? null : holes;
    }

    private OutputHole? HoleAt(int index) => log[index] is GapEvent { Hole: var hole } && (onlyAttempt == 0 || hole.Attempt == onlyAttempt) ? hole : null;

    // Emitted events are no output: a cursor that has seen none of them must not begin at the first of them.
    private int FirstBeyond(Cursor seen) => log.FirstBeyond(seen with { Events = long.MaxValue }, _count);

    private static bool IsBeyond(NumberedLine line, Cursor seen) => line.Attempt > seen.Attempt || (line.Attempt == seen.Attempt && line.Seq > seen.Seq);

    private IEnumerable<NumberedLine> LinesAt(int index) =>
        log[index] is LinesEvent lines && (onlyAttempt == 0 || lines.Cursor.Attempt == onlyAttempt) && lines.Of(filter) is { } wanted
            ? wanted.Lines.Select(line => new NumberedLine(lines.Cursor.Attempt, line.Seq, line.Stream, line.Text, line.At, line.Part, line.Last, line.Cut) { Place = lines.Cursor with { Seq = line.Seq } })
            : [];
}

/// <summary>Output as a file of plain text. It is never anything else to a browser, whatever an agent prints.</summary>
internal sealed class PlainOutput(string taskId, IEnumerable<NumberedLine> lines) : IResult
{
    private const int FlushBytes = 64 * 1024;

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.ContentType = $"{MediaTypeNames.Text.Plain}; charset=utf-8";
        response.Headers.ContentSecurityPolicy = "sandbox";
        response.Headers.ContentDisposition = $"attachment; filename=\"{taskId}.txt\"";
        foreach (var line in lines)
        {
            if (line.Part > 1 && line.Text is ['\r', ..])
                Write(response, "\n");   // it overwrites what was shown before, such as a progress bar
            Write(response, PlainText.Of(line.Text));
            if (line.Last != false)   // a part of a long line is followed by the next one
                Write(response, "\n");
            if (response.BodyWriter.UnflushedBytes > FlushBytes)
                await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
        }
        await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
    }

    private static void Write(HttpResponse response, string text)
    {
        var written = Encoding.UTF8.GetBytes(text, response.BodyWriter.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length)));
        response.BodyWriter.Advance(written);
    }
}
