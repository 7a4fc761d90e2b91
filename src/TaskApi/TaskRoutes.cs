using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using TaskPipeline.TaskApi.Artifacts;
using TaskPipeline.TaskApi.DeadLetters;
using TaskPipeline.TaskApi.Emitting;
using TaskPipeline.TaskApi.Files;
using TaskPipeline.TaskApi.Health;
using TaskPipeline.TaskApi.Inputs;
using TaskPipeline.TaskApi.Listing;
using TaskPipeline.TaskApi.Pausing;
using TaskPipeline.TaskApi.Repeating;
using TaskPipeline.TaskApi.Scheduling;
using TaskPipeline.TaskApi.Stopping;
using TaskPipeline.TaskApi.Submitting;
using TaskPipeline.TaskApi.Tailing;
using TaskPipeline.TaskApi.Watching;
using TaskPipeline.TaskApi.Workers;

namespace TaskPipeline.TaskApi;

/// <summary>Every route of the API, with what it answers.</summary>
internal static class TaskRoutes
{
    public static WebApplication MapTasks(this WebApplication app)
    {
        var tasks = app.MapGroup("/tasks").WithTags("Tasks").AddEndpointFilter(OnlyWhenReady);
        tasks.MapPost("/", SubmitEndpoint.PostAsync).WithSummary("Submit a task")
            .WithDescription("Answers as soon as Kafka has the task, now or for later (delay, run_at). With an Idempotency-Key, or with a task_id of your own, the call can be repeated safely: the same one with the same body is the same task.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Accepts<SubmitTask>("application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>()
            .Problems(400, 409, 413, 415, 503);
        tasks.MapGet("/", TaskEndpoints.List).WithSummary("List tasks, newest first")
            .WithDescription("Filters by status, project, type and class; give a page's next as after for the page behind it.")
            .Produces<TaskPage>().Problems(400, 503);
        tasks.MapGet("/{id}", TaskEndpoints.GetAsync).WithSummary("Everything known of a task, but its output")
            .Produces<TaskDetail>().Problems(404, 503);
        tasks.MapGet("/{id}/output", OutputEndpoint.GetAsync).WithSummary("Output in pages, or as a text file")
            .WithDescription("after and before take cursors, also those of events; seq begins at a line of an attempt. q finds lines with a text. wait=30s answers as soon as there are lines behind after. format=text answers plain text, ndjson a JSON object per line as they are found, both the whole output unless there is a limit.")
            .Produces<OutputPage>().Produces<string>(StatusCodes.Status200OK, "text/plain").Problems(400, 404, 503);
        tasks.MapGet("/{id}/artifacts", ArtifactEndpoints.ListAsync).WithSummary("The files that its agents have left behind")
            .Produces<ArtifactList>().Problems(404, 503);
        tasks.MapGet("/{id}/artifacts/{attempt:int}/{**name}", ArtifactEndpoints.GetAsync).WithSummary("Download one of them")
            .Produces<Stream>(StatusCodes.Status200OK, "application/octet-stream").Problems(404, 503);
        tasks.MapPost("/{id}/stop", StopEndpoint.PostAsync).WithSummary("Stop a task")
            .WithDescription("Answers as soon as Kafka has the request. Asking twice is harmless; 409 says how the task has already ended.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Accepts<StopTask>(isOptional: true, "application/json")
            .Produces<StopAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 415, 503);
        tasks.MapPost("/{id}/pause", PauseEndpoint.PauseAsync).WithSummary("Let a running task stand still")
            .WithDescription("Its agent and all that it has started are frozen; limits of time and silence do not run meanwhile, a deadline does. The state event paused says when it has happened. Asking twice is harmless.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Produces<PauseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
        tasks.MapPost("/{id}/resume", PauseEndpoint.ResumeAsync).WithSummary("Let a paused task go on")
            .WithDescription("The state event running says when it has happened. Asking twice is harmless.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Produces<PauseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
        tasks.MapPost("/{id}/input", InputEndpoint.PostAsync).WithSummary("Write a line to a running agent's stdin")
            .WithDescription("For task types with input: true. 202: Kafka has it; the event input says when the agent has it. It is for the attempt that runs now, another one begins without it.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Accepts<SendInput>("application/json")
            .Produces<InputAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 413, 415, 503);
        tasks.MapPost("/{id}/release", ReleaseEndpoint.PostAsync).WithSummary("Let a waiting task go on at once")
            .WithDescription("For a held task, which waits for a person; a scheduled or retry_waiting one goes on before its time. Asking twice is harmless.")
            .Produces<ReleaseAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 503);
        tasks.MapPost("/{id}/replay", ReplayEndpoint.PostAsync).WithSummary("Run an ended task again, as a new one")
            .WithDescription("With the same params or others. The new task has replay_of, the old one lists it under replays; nothing else of it changes.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Accepts<RepeatTask>(isOptional: true, "application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>().Problems(400, 404, 409, 415, 503);
        tasks.MapPost("/{id}/emit", EmitEndpoint.PostAsync).WithSummary("Put an event of your own into a task's timeline")
            .WithDescription("Watchers are told of it among the lines, each exactly once. 202 means that it is there for good; 409, that the task had ended before.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Accepts<EmitEvent>("application/json")
            .Produces<EmitAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 413, 415, 503);
        tasks.MapGet("/{id}/events", WatchEndpoints.EventsAsync).WithSummary("Watch a task as server-sent events")
            .WithDescription("History first, then live, closed after the end event. A Last-Event-ID goes before from, and from before tail. 204: the end was seen.")
            .AddOpenApiOperationTransformer(WatchQuery)
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream").Produces(StatusCodes.Status204NoContent).Problems(400, 404, 429, 503);
        // Not behind the filter: a browser can read why a socket was closed, but not why a handshake was refused.
        // Short-circuited, and no service of the request: whatever stands around an open socket is held for as long as somebody watches.
        var sockets = app.Services.GetRequiredService<WatchEndpoints>();
        app.MapGet("/tasks/{id}/watch", sockets.WatchAsync).WithTags("Tasks").WithSummary("Watch a task over a WebSocket")
            .WithDescription("The events of /tasks/{id}/events, one message each. Send STOP or {\"type\":\"stop\",\"request_id\":\"…\"} to stop the task, {\"type\":\"input\",\"text\":\"…\"} to write to its agent.")
            .AddOpenApiOperationTransformer(WatchQuery)
            .Produces(StatusCodes.Status101SwitchingProtocols).Problems(426).ShortCircuit();
        app.MapGet("/events", WatchEndpoints.AllEventsAsync).WithTags("Tasks").AddEndpointFilter(OnlyWhenReady).WithSummary("Watch how all tasks stand, as server-sent events")
            .WithDescription("State, progress and end events of all tasks, or of a project, from now on: after hello, GET /tasks says how they stand. Where some were missed, missed says how many.")
            .AddOpenApiOperationTransformer(ViewQuery)
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream").Problems(400, 429, 503);
        app.MapGet("/watch", (Delegate)sockets.WatchAllAsync).WithTags("Tasks").WithSummary("Watch how all tasks stand, over a WebSocket")
            .WithDescription("The events of /events, one message each.")
            .AddOpenApiOperationTransformer(ViewQuery)
            .Produces(StatusCodes.Status101SwitchingProtocols).Problems(426).ShortCircuit();
        app.MapPost("/files", FileEndpoint.PostAsync).WithTags("Tasks").AddEndpointFilter(OnlyWhenReady).WithSummary("Store an input file for tasks")
            .WithDescription("The body is the file, name what it is called. The answer's file goes into a param of type file; whichever worker runs the task puts a copy into its workspace.")
            .Accepts<Stream>("application/octet-stream")
            .Produces<FileAnswer>(StatusCodes.Status201Created).Problems(400, 413, 415, 503);
        app.MapGet("/task-types", TaskEndpoints.Types).WithTags("Tasks").WithSummary("The task types, with the schema of their params")
            .Produces<TaskTypeList>();
        app.MapHub<TaskHub>("/hubs/tasks");
        return app;
    }

    public static WebApplication MapWorkers(this WebApplication app)
    {
        var workers = app.MapGroup("").WithTags("Workers").AddEndpointFilter(OnlyWhenReady);
        workers.MapGet("/workers", WorkerEndpoints.Workers).WithSummary("The workers, and what each is doing")
            .WithDescription("A worker that has been silent for more than 30 s is lost, and left out after 10 min.")
            .Produces<WorkerList>().Problems(503);
        workers.MapGet("/queue", WorkerEndpoints.Queue).WithSummary("What waits in each lane, and who owns it").Produces<QueueView>().Problems(503);
        return app;
    }

    public static WebApplication MapDeadLetters(this WebApplication app)
    {
        var letters = app.MapGroup("/dead-letters").WithTags("Dead letters").AddEndpointFilter(OnlyWhenReady);
        letters.MapGet("/", DeadLetterEndpoints.List).WithSummary("List dead letters, newest first")
            .WithDescription("Those that nobody has dealt with; dealt=true lists the others, dealt=all both. Filters by project, type, class and reason; give a page's next as after for the page behind it.")
            .Produces<DeadLetterPage>().Problems(400, 503);
        letters.MapGet("/{id}", DeadLetterEndpoints.Get).WithSummary("Everything known of a dead letter")
            .Produces<DeadLetterDetail>().Problems(404, 503);
        letters.MapPost("/{id}/redrive", DeadLetterEndpoints.RedriveAsync).WithSummary("Let a new task go on in the place of a dead one")
            .WithDescription("With the same params or others. 200: its latest redrive has not ended yet, and is this one. The new task has redrive_of; the dead one never changes.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Accepts<RepeatTask>(isOptional: true, "application/json")
            .Produces<SubmitAnswer>(StatusCodes.Status202Accepted).Produces<SubmitAnswer>().Problems(400, 404, 409, 415, 503);
        letters.MapPost("/redrive", DeadLetterEndpoints.RedriveManyAsync).WithSummary("Redrive many, at a bounded rate")
            .WithDescription("Takes those that nobody has dealt with and goes on in the background. Sent again after a crash it takes what is still left.")
            .AddOpenApiOperationTransformer(KeyHeader)
            .Accepts<RedriveTasks>(isOptional: true, "application/json")
            .Produces<RedriveAnswer>(StatusCodes.Status202Accepted).Problems(400, 409, 415, 503);
        letters.MapGet("/redrives/{id}", DeadLetterEndpoints.Progress).WithSummary("How far a redrive of many has come")
            .WithDescription("Known to the replica that was asked for it, until it ends.")
            .Produces<RedriveProgress>().Problems(404, 503);
        letters.MapPost("/{id}/discard", DeadLetterEndpoints.DiscardAsync).WithSummary("Put a dead letter aside")
            .WithDescription("Asking twice is harmless. It is listed with dealt=true from then on, and can still be redriven.")
            .Produces<DiscardAnswer>(StatusCodes.Status202Accepted).Problems(404, 409, 503);
        return app;
    }

    public static WebApplication MapHealth(this WebApplication app)
    {
        app.MapGet("/healthz", HealthEndpoints.Health).WithTags("Health").WithSummary("Whether this process is of use").Produces<HealthAnswer>().Problems(503);
        app.MapGet("/readyz", HealthEndpoints.Ready).WithTags("Health").WithSummary("Whether everything in Kafka was read").Produces<ReadyAnswer>().Problems(503);
        return app;
    }

    private static async ValueTask<object?> OnlyWhenReady(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        context.HttpContext.RequestServices.GetRequiredService<KafkaTails>().NotReadyBecause is { } reason ? Problem.NotReady(reason) : await next(context);

    private static Task KeyHeader(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        (operation.Parameters ??= []).Add(new OpenApiParameter
        {
            Name = IdempotencyKey.Header,
            In = ParameterLocation.Header,
            Description = "1 to 200 printable characters. The same call with the same key again does nothing more, and gets the same answer.",
            Schema = new OpenApiSchema { Type = JsonSchemaType.String },
        });
        return Task.CompletedTask;
    }

    /// <summary>The query of a watch is read by hand, for a socket that is refused with a close code.</summary>
    private static Task WatchQuery(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken) => Query(operation,
        ("from", "A cursor, start (the default) or now"),
        ("since", "Begin with the first line from this time on (RFC 3339), or of the last 10m, 2h …"),
        ("tail", "Begin with the last N lines"),
        ("stream", "stdout, stderr or system, or several of them with commas; all where it is missing"),
        ("format", "json (the default) or text"));

    private static Task ViewQuery(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken) => Query(operation,
        ("project", "Only tasks of this one"),
        ("from", "The place where an earlier connection to this replica was cut off"));

    private static Task Query(OpenApiOperation operation, params ReadOnlySpan<(string Name, string Description)> parameters)
    {
        foreach (var (name, description) in parameters)
            (operation.Parameters ??= []).Add(new OpenApiParameter { Name = name, In = ParameterLocation.Query, Description = description, Schema = new OpenApiSchema { Type = JsonSchemaType.String } });
        return Task.CompletedTask;
    }

    private static RouteHandlerBuilder Problems(this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
            route.ProducesProblem(status);
        return route;
    }
}
