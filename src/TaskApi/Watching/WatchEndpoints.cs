using System.Net.WebSockets;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Protection;
using TaskPipeline.TaskApi.Inputs;
using TaskPipeline.TaskApi.Stopping;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>The watch socket and the event stream of one task.</summary>
internal sealed class WatchEndpoints(TaskFinder finder, TaskTable table, LogReader reader, StopRequests stops, InputRequests inputs, WatchGate gate, IHostApplicationLifetime host, IOptions<ApiOptions> options)
{
    private static readonly TimeSpan ComeBackAfter = TimeSpan.FromSeconds(5);

    public static async Task<IResult> WatchAsync(string id, HttpContext context, WatchEndpoints endpoints) => await endpoints.SocketAsync(id, context);

    public static async Task<IResult> EventsAsync(string id, HttpContext context, WatchEndpoints endpoints) => await endpoints.StreamAsync(id, context);

    private async Task<IResult> SocketAsync(string id, HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
            return new Problem(StatusCodes.Status426UpgradeRequired, $"This is a WebSocket; /tasks/{id}/events has the same events for plain HTTP");
        // A browser cannot read the status of a refused handshake, so the refusal comes as a close code.
        var plan = WatchPlan.Of(WatchRequest.Of(context.Request.Query), lastEventId: null, out var error);
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        using var entry = gate.Enter(context.Connection.RemoteIpAddress, out var refusal);
        if (entry is null)
            await RefuseAsync(socket, CloseCodes.TooMany, refusal!);
        else if (plan is null)
            await RefuseAsync(socket, CloseCodes.BadRequest, error!);
        else if (problem is not null)
            await RefuseAsync(socket, CodeFor(problem), problem.Detail);
        else
        {
            using var watching = new WatchSocket(socket, found!, table.Watch(found!, reader, plan), plan, stops, inputs, options.Value.WriteTimeout, host.ApplicationStopping);
            await watching.RunAsync();
        }
        return Results.Empty;
    }

    private async Task<IResult> StreamAsync(string id, HttpContext context)
    {
        if (WatchPlan.Of(WatchRequest.Of(context.Request.Query), context.Request.Headers["Last-Event-ID"], out var error) is not { } plan)
            return new Problem(StatusCodes.Status400BadRequest, error!);
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        if (problem is not null)
            return problem;
        if (plan.From.EndSeen)
            return TypedResults.NoContent();   // the browser has it all; any other answer would make it come back for ever
        using var entry = gate.Enter(context.Connection.RemoteIpAddress, out var refusal);
        if (entry is null)
            return new Problem(StatusCodes.Status429TooManyRequests, refusal!) { RetryAfter = ComeBackAfter };
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, host.ApplicationStopping);
        await new EventStream(context, table.Watch(found!, reader, plan), plan, options.Value.WriteTimeout).SendAllAsync(leaving.Token);
        return Results.Empty;
    }

    private static WebSocketCloseStatus CodeFor(Problem problem) => problem.StatusCode switch
    {
        StatusCodes.Status404NotFound => CloseCodes.UnknownTask,
        StatusCodes.Status503ServiceUnavailable => CloseCodes.NotReady,
        _ => CloseCodes.BadRequest,
    };

    private static async Task RefuseAsync(WebSocket socket, WebSocketCloseStatus code, string reason)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            await socket.CloseAsync(code, reason.Length > 120 ? reason[..120] : reason, patience.Token);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException)
        {
            // It does not answer.
        }
    }
}
