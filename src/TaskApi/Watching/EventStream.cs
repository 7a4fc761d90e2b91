using System.Text;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// Server-sent events, written by hand: the framework's own result knows no heartbeat (https://github.com/dotnet/aspnetcore/issues/65103).
/// Every event has an id, so that a browser that lost the connection comes back to where it was by itself.
/// </summary>
internal sealed class EventStream(HttpContext context, IWatch watch, bool asText, TimeSpan writeTimeout)
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly TextRows _rows = new();

    public async Task SendAllAsync(CancellationToken leaving)
    {
        var response = context.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";   // nginx would hold the events back
        using var writing = new CancellationTokenSource();
        try
        {
            Write($"retry: {(int)Retry.TotalMilliseconds}\n\n");
            await FlushAsync(writing, leaving);   // the answer to who comes back and has missed nothing
            while (!watch.HasEnded)
            {
                while (await watch.NextAsync(leaving) is { } next)
                {
                    Write(next);
                    await FlushAsync(writing, leaving);
                }
                if (!watch.HasEnded && !await watch.WaitAsync(HelloEvent.Heartbeat, leaving))
                {
                    if (_rows.Pause() is { } pause)
                        Write(pause);
                    Write(": \n\n");
                    await FlushAsync(writing, leaving);
                }
            }
        }
        catch (OperationCanceledException) when (leaving.IsCancellationRequested)
        {
            // The client has left, or the host is stopping: the client comes back with the last id it has.
        }
        catch (OperationCanceledException)
        {
            context.Abort();   // it takes no data
        }
    }

    private async ValueTask FlushAsync(CancellationTokenSource writing, CancellationToken leaving)
    {
        leaving.ThrowIfCancellationRequested();
        var flushing = context.Response.BodyWriter.FlushAsync(writing.Token);
        if (flushing.IsCompletedSuccessfully)
        {
            flushing.GetAwaiter().GetResult();
            return;
        }
        writing.CancelAfter(writeTimeout);
        await flushing;
        writing.CancelAfter(Timeout.InfiniteTimeSpan);
    }

    private void Write(WatchEvent next)
    {
        if (asText)
        {
            foreach (var step in next.PlainText.SelectMany(_rows.Take))
                Write(step);
            return;
        }
        Write($"id: {watch.Place}\ndata: ");
        var json = next.Json.Span;
        json.CopyTo(context.Response.BodyWriter.GetSpan(json.Length));
        context.Response.BodyWriter.Advance(json.Length);
        Write("\n\n");
    }

    /// <summary>A row is one event, which a client has only when it is over: who is cut off within it comes back in front of it.</summary>
    private void Write(TextStep step)
    {
        Write(step.Begins ? $"data: {step.Text}" : step.Text);
        if (step.End == RowEnd.None)
            return;
        var kind = step.End switch
        {
            RowEnd.Part => "event: part\n",
            RowEnd.Overwritten => "event: overwritten\n",
            _ => "",
        };
        Write($"\n{kind}id: {step.Place}\n\n");
    }

    private void Write(string text)
    {
        var writer = context.Response.BodyWriter;
        writer.Advance(Encoding.UTF8.GetBytes(text, writer.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length))));
    }
}
