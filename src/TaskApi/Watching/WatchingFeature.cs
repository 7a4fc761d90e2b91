using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Watching;

internal static class WatchingFeature
{
    private static readonly (string, string)[] TaskQuery =
    [
        ("from", "A cursor, start (the default) or now"),
        ("since", "Begin with the first line from this time on (RFC 3339), or of the last 10m, 2h …"),
        ("tail", "Begin with the last N lines"),
        ("stream", "stdout, stderr or system, or several of them with commas; all where it is missing"),
        ("format", "json (the default) or text"),
    ];

    private static readonly (string, string)[] AllQuery =
    [
        ("project", "Only tasks of this one"),
        ("from", "The place where an earlier connection to this replica was cut off"),
    ];

    /// <param name="apply">The conventions of this API's JSON.</param>
    public static IServiceCollection AddWatching(this IServiceCollection services, Action<JsonSerializerOptions> apply)
    {
        services.AddSingleton<WatchLimit>();
        services.AddSingleton<WatchEndpoints>();
        services.AddSingleton<StateSubscriptions>();
        services.AddSignalR(hub =>
            {
                hub.MaximumReceiveMessageSize = 4 * 1024;
                hub.KeepAliveInterval = HelloEvent.Heartbeat;
            })
            .AddJsonProtocol(json =>
            {
                apply(json.PayloadSerializerOptions);
                json.PayloadSerializerOptions.TypeInfoResolverChain.Add(new DefaultJsonTypeInfoResolver());
                json.PayloadSerializerOptions.Converters.Add(new WatchEventJson());
            });
        return services;
    }

    public static void MapWatching(this WebApplication app)
    {
        app.MapTaskGroup().MapGet("/{id}/events", WatchEndpoints.EventsAsync).WithSummary("Watch a task as server-sent events")
            .WithDescription(
                "History first, then live, closed after the end event. A Last-Event-ID goes before from, and from before tail. 204: the end was seen.")
            .TakesQuery(TaskQuery)
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream").Produces(StatusCodes.Status204NoContent).Problems(400, 404, 429, 503);
        app.MapWhenReady("/events", "Tasks").MapGet("", WatchEndpoints.AllEventsAsync).WithSummary("Watch the states of all tasks, as server-sent events")
            .WithDescription(
                "State, progress and end events of all tasks, or of a project, from now on: after hello, GET /tasks says what state they are in. Where "
                + "some were missed, missed says how many.")
            .TakesQuery(AllQuery)
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream").Problems(400, 429, 503);
        // Without the filter: a browser can read why a socket was closed, but not why a handshake was refused.
        // Short-circuited, and no service of the request: whatever stands around an open socket is held for as long as somebody watches.
        var sockets = app.Services.GetRequiredService<WatchEndpoints>();
        app.MapGet("/tasks/{id}/watch", sockets.WatchAsync).WithTags("Tasks").WithSummary("Watch a task over a WebSocket")
            .WithDescription(
                "The events of /tasks/{id}/events, one message each. Send STOP or {\"type\":\"stop\",\"request_id\":\"…\"} to stop the task, "
                + "{\"type\":\"input\",\"text\":\"…\"} to write to its agent.")
            .TakesQuery(TaskQuery)
            .Produces(StatusCodes.Status101SwitchingProtocols).Problems(426).ShortCircuit();
        app.MapGet("/watch", (Delegate)sockets.WatchAllAsync).WithTags("Tasks").WithSummary("Watch the states of all tasks over a WebSocket")
            .WithDescription("The events of /events, one message each.")
            .TakesQuery(AllQuery)
            .Produces(StatusCodes.Status101SwitchingProtocols).Problems(426).ShortCircuit();
        app.MapHub<TaskHub>("/hubs/tasks");
    }
}
