using System.Globalization;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>Where a watcher starts, and what it wants.</summary>
public sealed record WatchRequest
{
    /// <summary>A cursor, <c>start</c> (the default) or <c>now</c>.</summary>
    public string? From { get; init; }

    /// <summary>Start with the last N lines.</summary>
    public int? Tail { get; init; }

    /// <summary>Start with the first line at or after this time (RFC 3339), or within a duration before now, such as <c>10m</c>.</summary>
    public string? Since { get; init; }

    /// <summary><c>stdout</c>, <c>stderr</c>, <c>system</c>, or several separated by commas; default: all.</summary>
    public string? Stream { get; init; }

    /// <summary><c>json</c> (the default) or <c>text</c>.</summary>
    public string? Format { get; init; }

    internal static WatchRequest Of(IQueryCollection query) => new()
    {
        From = query["from"],
        Tail = query["tail"] is [{ Length: > 0 } tail, ..] ? int.TryParse(tail, NumberStyles.None, CultureInfo.InvariantCulture, out var lines) ? lines
            : -1 : null,
        Since = query["since"],
        Stream = query["stream"],
        Format = query["format"],
    };
}

/// <summary>A parsed <see cref="WatchRequest"/>.</summary>
internal sealed record WatchPlan(Cursor From, bool FromNow, DateTimeOffset? Since, int? Tail, StreamFilter Filter, bool AsText)
{
    /// <summary>
    /// Null with a sentence if the request is invalid. <c>Last-Event-ID</c> takes precedence over <c>from</c>, that over <c>since</c>, that over <c>tail</c>.
    /// </summary>
    public static WatchPlan? Of(WatchRequest request, string? lastEventId, DateTimeOffset now, out string? error)
    {
        error = null;
        var from = string.IsNullOrEmpty(lastEventId) ? request.From : lastEventId;
        var cursor = Cursor.Start;
        if (from is not (null or "" or "start" or "now") && !Cursor.TryParse(from, out cursor))
            error = $"from must be a cursor, start or now, not '{from}'";
        DateTimeOffset? since = string.IsNullOrEmpty(request.Since) ? null
            : Quantity.Duration(request.Since) is { } before ? now - before
            : DateTimeOffset.TryParse(request.Since, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
                : default(DateTimeOffset);
        if (since == default(DateTimeOffset))
            error = $"since must be a time such as 2026-03-01T09:30:00Z, or a duration such as 10m, not '{request.Since}'";
        if (request.Tail < 0)
            error = "tail must be a number of lines";
        if (!StreamFilter.TryParse(request.Stream, out var filter))
            error = $"stream must be stdout, stderr or system, or several separated by commas, not '{request.Stream}'";
        if (request.Format is not (null or "" or "json" or "text"))
            error = $"format must be json or text, not '{request.Format}'";
        return error is null ? new WatchPlan(cursor, from == "now", string.IsNullOrEmpty(from) ? since : null, string.IsNullOrEmpty(
            from) ? request.Tail : null, filter, request.Format == "text") : null;
    }
}
