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
        ("since", "Start with the first line at or after this time (RFC 3339), or within a duration before now, such as 10m"),
        ("tail", "Start with the last N lines"),
        ("stream", "stdout, stderr or system, or several separated by commas; default: all"),
        ("format", "json (the default) or text"),
    ];

    private static readonly (string, string)[] AllQuery =
    [
        ("project", "Only tasks of this project"),
        ("from", "The place of the last event of an earlier connection to this replica"),
    ];

    /// <param name="apply">Applies the JSON conventions of this API.</param>
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
                "History first, then live events; closed after the end event. Last-Event-ID overrides from, and from overrides tail. "
                + "204: the end was already seen.")
            .TakesQuery(TaskQuery)
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream").Produces(StatusCodes.Status204NoContent).Problems(400, 404, 429, 503);
        app.MapWhenReady("/events", "Tasks").MapGet("", WatchEndpoints.AllEventsAsync).WithSummary("Watch the states of all tasks as server-sent events")
            .WithDescription(
                "State, progress and end events of all tasks, or of a project, from now on. After hello, GET /tasks returns the current states. If "
                + "events were missed, missed has their number.")
            .TakesQuery(AllQuery)
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream").Problems(400, 429, 503);
        // Without the filter: a browser can read why a socket was closed, but not why a handshake was refused.
        // Short-circuited and without services of the request: everything around an open socket stays in memory as long as the watch.
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
