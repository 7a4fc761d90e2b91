using System.Text;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// Server-sent events, written by hand: the framework's result type has no heartbeat (https://github.com/dotnet/aspnetcore/issues/65103). Every event
/// has an id, so a browser that lost the connection continues at its place by itself.
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
        response.Headers["X-Accel-Buffering"] = "no";   // otherwise nginx buffers the events
        using var writing = new CancellationTokenSource();
        try
        {
            Write($"retry: {(int)Retry.TotalMilliseconds}\n\n");
            await FlushAsync(writing, leaving);   // send the headers at once, also if there is no event yet
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
            // The client has left, or the host is stopping: the client reconnects with its last id.
        }
        catch (OperationCanceledException)
        {
            context.Abort();   // the client accepts no data
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

    /// <summary>A row is one event. A client has an event only when it is complete, so after a disconnect within a row it continues before that row.</summary>
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
