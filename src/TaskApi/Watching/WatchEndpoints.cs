using System.Net.WebSockets;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Inputs;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Settings;
using TaskPipeline.TaskApi.Stopping;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>Watch sockets and event streams: of one task, or of the states of all tasks.</summary>
internal sealed class WatchEndpoints(TaskFinder finder, TaskTable table, StateFeed feed, KafkaTails tails, LogReader reader, StopRequests stops,
    InputRequests inputs, WatchLimit limit, TimeProvider clock, IHostApplicationLifetime host, IOptions<ApiOptions> options)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(5);

    public Task WatchAsync(string id, HttpContext context) =>
        context.WebSockets.IsWebSocketRequest ? SocketAsync(context, TaskAsync(id, context, lastEventId: null)) : RefuseAsync(context, $"/tasks/{id}/events");

    public static Task<IResult> EventsAsync(string id, HttpContext context, WatchEndpoints endpoints) =>
        endpoints.StreamAsync(context, () => endpoints.TaskAsync(id, context, LastEventId(context)));

    public Task WatchAllAsync(HttpContext context) =>
        context.WebSockets.IsWebSocketRequest ? SocketAsync(context, Task.FromResult(All(context, lastEventId: null))) : RefuseAsync(context, "/events");

    public static Task<IResult> AllEventsAsync(HttpContext context, WatchEndpoints endpoints) =>
        endpoints.StreamAsync(context, () => Task.FromResult(endpoints.All(context, LastEventId(context))));

    private async Task<(Opened?, Problem?)> TaskAsync(string id, HttpContext context, string? lastEventId)
    {
        var query = QueryOf(context);
        if (WatchPlan.Of(WatchRequest.Of(query), lastEventId, clock.GetUtcNow(), out var error) is not { } plan)
            return (null, new Problem(StatusCodes.Status400BadRequest, error!));
        var (found, problem) = await finder.FindAsync(id, query, context.RequestAborted);
        return problem is null ? (new Opened(Watcher.Of(table, found!, reader, plan), found, plan.AsText, plan.From.EndSeen), null) : (null, problem);
    }

    private (Opened?, Problem?) All(HttpContext context, string? lastEventId)
    {
        if (tails.NotReadyBecause is { } reason)
            return (null, Problem.NotReady(reason));
        var query = QueryOf(context);
        var project = query["project"] is [{ Length: > 0 } name, ..] ? name : null;
        if (project is not null && !TaskIds.IsValid(project))
            return (null, new Problem(StatusCodes.Status400BadRequest, $"project must be {TaskIds.Rule}, not '{project}'"));
        return (new Opened(StateWatcher.Begin(feed, project, string.IsNullOrEmpty(lastEventId) ? query["from"] : lastEventId), null), null);
    }

    private async Task SocketAsync(HttpContext context, Task<(Opened?, Problem?)> opening)
    {
        // A browser cannot read the status of a refused handshake, so refusals are close codes.
        var (opened, problem) = await opening;
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        using var entry = limit.Enter(context.Connection.RemoteIpAddress, out var refusal);
        if (entry is null)
            await RefuseAsync(socket, CloseCodes.TooMany, refusal!);
        else if (problem is not null)
            await RefuseAsync(socket, CodeFor(problem), problem.Detail);
        else
        {
            var output = opened!.AsText || context.Request.IsHttps ? null : context.Features.Get<DirectOutput>();
            using var watching = new WatchSocket(socket, output, opened.Watch, opened.AsText, new WatchCommands(
                opened.Task, stops, inputs), options.Value.WriteTimeout, host.ApplicationStopping);
            await watching.RunAsync();
        }
    }

    private async Task<IResult> StreamAsync(HttpContext context, Func<Task<(Opened?, Problem?)>> open)
    {
        var (opened, problem) = await open();
        if (problem is not null)
            return problem;
        if (opened!.IsOver)
            return TypedResults.NoContent();   // the browser has all events; any other answer would make it reconnect for ever
        using var entry = limit.Enter(context.Connection.RemoteIpAddress, out var refusal);
        if (entry is null)
            return new Problem(StatusCodes.Status429TooManyRequests, refusal!) { RetryAfter = RetryDelay };
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, host.ApplicationStopping);
        await new EventStream(context, opened.Watch, opened.AsText, options.Value.WriteTimeout).SendAllAsync(leaving.Token);
        return Results.Empty;
    }

    /// <summary>Instead of <c>context.Request.Query</c>, which would stay in memory as long as the request.</summary>
    private static QueryCollection QueryOf(HttpContext context) => new(QueryHelpers.ParseQuery(context.Request.QueryString.Value));

    private static Task RefuseAsync(HttpContext context, string events) =>
        new Problem(StatusCodes.Status426UpgradeRequired, $"This is a WebSocket; {events} has the same events for plain HTTP").ExecuteAsync(context);

    private static string? LastEventId(HttpContext context) => context.Request.Headers["Last-Event-ID"];

    private static WebSocketCloseStatus CodeFor(Problem problem) => problem.StatusCode switch
    {
        StatusCodes.Status404NotFound => CloseCodes.UnknownTask,
        StatusCodes.Status503ServiceUnavailable => CloseCodes.NotReady,
        _ => CloseCodes.BadRequest,
    };

    private static async Task RefuseAsync(WebSocket socket, WebSocketCloseStatus code, string reason)
    {
        using var maxWait = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            await socket.CloseAsync(code, reason.Length > 120 ? reason[..120] : reason, maxWait.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException)
        {
            // The client does not answer.
        }
    }

    /// <param name="Task">The watched task; null: all tasks.</param>
    /// <param name="IsOver">The watcher has already seen the end.</param>
    private sealed record Opened(IWatch Watch, TrackedTask? Task, bool AsText = false, bool IsOver = false);
}
