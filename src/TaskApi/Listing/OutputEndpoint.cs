using System.Buffers;
using System.Globalization;
using System.Net.Mime;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace TaskPipeline.TaskApi.Listing;

/// <summary>The query parameters of <c>GET /tasks/{id}/output</c>.</summary>
internal sealed class OutputQuery
{
    [FromQuery] public string? After { get; set; }
    [FromQuery] public string? Before { get; set; }
    [FromQuery] public string? Seq { get; set; }
    [FromQuery] public string? Limit { get; set; }
    [FromQuery] public string? Attempt { get; set; }
    [FromQuery] public string? Stream { get; set; }
    [FromQuery] public string? Q { get; set; }
    [FromQuery] public string? Wait { get; set; }
    [FromQuery] public string? Format { get; set; }
}

internal static class OutputEndpoint
{
    private const int DefaultLimit = 1000;
    private const int MostLines = 10_000;
    private const int LongestText = 500;

    public static async Task<IResult> GetAsync(string id, HttpContext context, TaskFinder finder, LogReader reader, [AsParameters] OutputQuery query)
    {
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        if (problem is not null)
            return problem;
        var log = found!.Log;
        var errors = new FieldErrors();
        var from = Cursor.Start;
        var to = Cursor.Start;
        if (!string.IsNullOrEmpty(query.After) && !Cursor.TryParse(query.After, out from))
            errors.Add("after", "must be a cursor");
        if (!string.IsNullOrEmpty(query.Before) && !Cursor.TryParse(query.Before, out to))
            errors.Add("before", "must be a cursor");
        var limit = errors.Limit(query.Limit, DefaultLimit, MostLines);
        if (!TryNumber(query.Attempt, 0, int.MaxValue, out var attempt))
            errors.Add("attempt", "must be a number");
        if (!StreamFilter.TryParse(query.Stream, out var streams))
            errors.Add("stream", "must be stdout, stderr or system, or several separated by commas");
        if (query.Format is not (null or "" or "json" or "ndjson" or "text"))
            errors.Add("format", "must be json, ndjson or text");
        if (query.Q is { Length: > LongestText })
            errors.Add("q", $"may have at most {LongestText} characters");
        if (!string.IsNullOrEmpty(query.Seq))
        {
            if (!long.TryParse(query.Seq, NumberStyles.None, CultureInfo.InvariantCulture, out var seq) || seq < 1)
                errors.Add("seq", "must be the number of a line");
            from = new Cursor(attempt > 0 ? (int)attempt : Math.Max(1, log.Latest.Attempt), Math.Max(0, seq - 1), Stage.Requeued);
        }
        if (!LongPoll.TryParse(query.Wait, out var wait))
            errors.Add("wait", LongPoll.Rule);
        if (errors.Problem is { } unfit)
            return unfit;

        var filter = new LineFilter(streams, (int)attempt, string.IsNullOrEmpty(query.Q) ? null : query.Q);
        if (query.Format is "text" or "ndjson")
        {
            var lines = new OutputReading(log, reader, filter)
                .LinesAsync(from, string.IsNullOrEmpty(query.Limit) ? int.MaxValue : limit, context.RequestAborted);
            return query.Format == "text" ? new PlainOutput(id, lines) : new LineByLine(lines);
        }
        if (!string.IsNullOrEmpty(query.Before))
            return TypedResults.Ok(await new OutputReading(log, reader, filter).PageBeforeAsync(to, limit, context.RequestAborted));
        using var waiting = new LongPoll(wait, context.RequestAborted);
        while (true)
        {
            var version = log.Version;
            var page = await new OutputReading(log, reader, filter).PageAfterAsync(from, limit, context.RequestAborted);
            if (page is { Lines: [], Gaps: null, Ended: false } && await waiting.ForMoreAsync(log, version))
                continue;
            return TypedResults.Ok(page);
        }
    }

    private static bool TryNumber(string? text, int byDefault, int most, out long number)
    {
        number = byDefault;
        return string.IsNullOrEmpty(text)
            || (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= 1 && number <= most);
    }
}

/// <summary>Output as a plain-text file. The headers keep browsers from reading it as anything else, whatever an agent prints.</summary>
internal sealed class PlainOutput(string taskId, IAsyncEnumerable<NumberedLine> lines) : IResult
{
    private const int FlushBytes = 64 * 1024;

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.ContentType = $"{MediaTypeNames.Text.Plain}; charset=utf-8";
        response.Headers.ContentSecurityPolicy = "sandbox";
        response.Headers.ContentDisposition = $"attachment; filename=\"{taskId}.txt\"";
        var joiner = new LineJoiner();
        await foreach (var part in lines)
        {
            foreach (var line in joiner.Take(part))
                Write(response, PlainText.Of(line.Text) + "\n");
            if (response.BodyWriter.UnflushedBytes > FlushBytes)
                await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
        }
        Write(response, string.Join('\n', joiner.Rest().Select(line => PlainText.Of(line.Text))));
        await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
    }

    private static void Write(HttpResponse response, string text)
    {
        var written = Encoding.UTF8.GetBytes(text, response.BodyWriter.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length)));
        response.BodyWriter.Advance(written);
    }
}

/// <summary>Each line as a JSON object on its own line, as soon as it is found.</summary>
internal sealed class LineByLine(IAsyncEnumerable<NumberedLine> lines) : IResult
{
    private static readonly TimeSpan FlushInterval = TimeSpan.FromMilliseconds(100);

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.ContentType = "application/x-ndjson";
        var json = httpContext.RequestServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        var flushedAt = 0L;
        await foreach (var line in lines)
        {
            await JsonSerializer.SerializeAsync(response.BodyWriter, line, json, httpContext.RequestAborted);
            response.BodyWriter.Write("\n"u8);
            if (Environment.TickCount64 - flushedAt < FlushInterval.TotalMilliseconds)
                continue;
            flushedAt = Environment.TickCount64;
            await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
        }
        await response.BodyWriter.FlushAsync(httpContext.RequestAborted);
    }
}
