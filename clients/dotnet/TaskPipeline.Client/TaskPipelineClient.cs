using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TaskPipeline.Client;

/// <summary>
/// Submits tasks to a TaskPipeline, watches and steers them. One client serves any number of tasks and threads.
/// Whatever the server refuses is a <see cref="TaskPipelineException"/> that says why, and what is not there a <see cref="ServerUnreachableException"/>.
/// </summary>
public sealed class TaskPipelineClient : IDisposable
{
    private readonly Server _server;
    private readonly bool _ownsHttp;

    /// <param name="address">The API's, such as <c>http://127.0.0.1:8080</c>; it may have a path.</param>
    /// <param name="http">For headers, certificates and proxies of your own; watch sockets are opened with it too. It stays yours.</param>
    public TaskPipelineClient(Uri address, HttpClient? http = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        _server = new Server(address, http ?? new HttpClient());
        _ownsHttp = http is null;
    }

    /// <summary>Submits a task. With an idempotency key, or an id of your own, the same can be sent again safely: it is one task.</summary>
    public Task<SubmittedTask> SubmitAsync(NewTask task, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        _server.PostAsync("tasks", JsonContent.Create(task, ClientJson.Default.NewTask), idempotencyKey, ClientJson.Default.SubmittedTask, cancellationToken);

    /// <summary>Submits a task of which no more is to be said than this.</summary>
    public Task<SubmittedTask> SubmitAsync(string type, string? command = null, JsonObject? parameters = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        SubmitAsync(new NewTask { Type = type, Command = command, Params = parameters }, idempotencyKey, cancellationToken);

    /// <summary>
    /// Tells all that has happened to a task, then what happens, up to its end, which is the last event. Where the connection is lost it comes back by itself;
    /// every event comes once, and the end says whether every line is proven to be there.
    /// </summary>
    /// <exception cref="OutputMismatchException">Lines are missing, doubled or changed.</exception>
    /// <exception cref="ServerUnreachableException">There was no connection for longer than <see cref="WatchOptions.MaxWait"/>.</exception>
    /// <exception cref="TaskPipelineException">There is no such task, or the options cannot be understood.</exception>
    public IAsyncEnumerable<WatchEvent> WatchAsync(string taskId, WatchOptions? options = null, CancellationToken cancellationToken = default) =>
        new Watch(_server, Server.TaskPath(taskId, "/watch"), options ?? new WatchOptions()).EventsAsync(cancellationToken);

    /// <summary>The same for a task that was just submitted, also at a replica that has not heard of it yet.</summary>
    public IAsyncEnumerable<WatchEvent> WatchAsync(SubmittedTask task, WatchOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        return new Watch(_server, task.Links.Watch.TrimStart('/'), options ?? new WatchOptions()).EventsAsync(cancellationToken);
    }

    /// <summary>
    /// Tells from now on how tasks stand: a <see cref="ViewHelloEvent"/>, then each <see cref="StateEvent"/>, <see cref="ProgressEvent"/> and <see cref="EndEvent"/>, and a
    /// <see cref="MissedEvent"/> where some could not be told. Whoever lists the tasks behind the first and the last of these misses nothing. It ends only with the caller.
    /// </summary>
    /// <exception cref="ServerUnreachableException">There was no connection for longer than <see cref="ViewOptions.MaxWait"/>.</exception>
    /// <exception cref="TaskPipelineException">The options cannot be understood.</exception>
    public IAsyncEnumerable<WatchEvent> WatchAllAsync(ViewOptions? options = null, CancellationToken cancellationToken = default) =>
        new View(_server, options ?? new ViewOptions()).EventsAsync(cancellationToken);

    /// <summary>All that is known of a task. With a cursor and a time to wait it answers when there is something behind that cursor, or when the time is over.</summary>
    public Task<TaskDetail> GetAsync(string taskId, string? after = null, TimeSpan? wait = null, CancellationToken cancellationToken = default) =>
        _server.GetAsync(Server.TaskPath(taskId, Query.Of(("after", after), ("wait", Query.Milliseconds(wait)))), ClientJson.Default.TaskDetail, cancellationToken);

    /// <summary>Tasks, the newest first, page after page as they are asked for.</summary>
    public async IAsyncEnumerable<TaskSummary> ListAsync(TaskFilter? filter = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string? after = null;
        do
        {
            var query = Query.Of(("status", filter?.Status?.Word), ("project", filter?.Project), ("type", filter?.Type), ("class", filter?.Class), ("after", after));
            var page = await _server.GetAsync("tasks" + query, ClientJson.Default.TaskPage, cancellationToken);
            foreach (var task in page.Tasks)
                yield return task;
            after = page.Next;
        }
        while (after is not null);
    }

    /// <summary>The output that there is now, line after line as it comes. Lines that are missing are told of by one of <see cref="OutputStream.System"/>.</summary>
    public async IAsyncEnumerable<OutputLine> OutputAsync(string taskId, OutputOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var query = Query.Of(
            ("format", "ndjson"),
            ("seq", options?.Seq?.ToString()),
            ("after", options?.After),
            ("attempt", options?.Attempt?.ToString()),
            ("stream", Query.Streams(options?.Streams)),
            ("q", options?.Search),
            ("limit", options?.Limit?.ToString()));
        using var answer = await _server.OpenAsync(Server.TaskPath(taskId, "/output" + query), cancellationToken);
        await using var content = await answer.Content.ReadAsStreamAsync(cancellationToken);
        await using var lines = JsonSerializer.DeserializeAsyncEnumerable(content, ClientJson.Default.OutputLine, topLevelValues: true, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await HasNextAsync(lines))
            yield return lines.Current!;
    }

    /// <summary>Asks for the end of a task. It comes back when the request is safe; the event <see cref="EndEvent"/> says when it has happened.</summary>
    public Task StopAsync(string taskId, StopRequest? how = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/stop"), JsonContent.Create(how ?? new StopRequest(), ClientJson.Default.StopRequest), idempotencyKey, cancellationToken);

    /// <summary>Lets a running task stand still; the event <see cref="StateEvent"/> says when it does.</summary>
    public Task PauseAsync(string taskId, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/pause"), null, idempotencyKey, cancellationToken);

    /// <summary>Lets a paused task go on; the event <see cref="StateEvent"/> says when it does.</summary>
    public Task ResumeAsync(string taskId, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/resume"), null, idempotencyKey, cancellationToken);

    /// <summary>Sends a line to the stdin of a task's agent; the event <see cref="InputEvent"/> says when the agent has it.</summary>
    public Task<SentInput> InputAsync(string taskId, string text, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        InputAsync(taskId, new InputBody(text, null), idempotencyKey, cancellationToken);

    /// <summary>Ends the stdin of a task's agent.</summary>
    public Task<SentInput> CloseInputAsync(string taskId, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        InputAsync(taskId, new InputBody(null, true), idempotencyKey, cancellationToken);

    /// <summary>Lets a task go on at once that is held, or waits for its time.</summary>
    public Task ReleaseAsync(string taskId, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/release"), null, null, cancellationToken);

    /// <summary>Puts an event of your own into a task's timeline, where every watcher is told of it once (<see cref="EmittedEvent"/>).</summary>
    /// <param name="taskId">A task that has not ended.</param>
    /// <param name="name">1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and dash.</param>
    /// <param name="data">At most 16 KiB of JSON.</param>
    /// <param name="idempotencyKey">The same key again is the same event.</param>
    /// <param name="cancellationToken">Ends the waiting, not the request.</param>
    public Task<SentEvent> EmitAsync(string taskId, string name, JsonNode? data = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        _server.PostAsync(Server.TaskPath(taskId, "/emit"), JsonContent.Create(new EmitBody(name, data), ClientJson.Default.EmitBody), idempotencyKey, ClientJson.Default.SentEvent, cancellationToken);

    /// <summary>Stores a file for tasks: <see cref="StoredFile.File"/> goes into a param of type <c>file</c>.</summary>
    /// <param name="content">Is read to its end, and disposed then.</param>
    /// <param name="name">What the file is called in a task's workspace.</param>
    /// <param name="cancellationToken">Ends the upload; what was sent is not kept.</param>
    public Task<StoredFile> StoreFileAsync(Stream content, string name, CancellationToken cancellationToken = default)
    {
        var body = new StreamContent(content) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        return _server.PostAsync("files" + Query.Of(("name", name)), body, null, ClientJson.Default.StoredFile, cancellationToken);
    }

    /// <summary>The files that a task's agents have left behind.</summary>
    public async Task<IReadOnlyList<Artifact>> ArtifactsAsync(string taskId, CancellationToken cancellationToken = default) =>
        (await _server.GetAsync(Server.TaskPath(taskId, "/artifacts"), ClientJson.Default.ArtifactList, cancellationToken)).Artifacts;

    /// <summary>The content of one of them, as it comes. Who disposes it early leaves the rest.</summary>
    public async Task<Stream> OpenArtifactAsync(string taskId, int attempt, string name, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var path = string.Join('/', name.Split('/').Select(Uri.EscapeDataString));
        var answer = await _server.OpenAsync(Server.TaskPath(taskId, $"/artifacts/{attempt}/{path}"), cancellationToken);
        return await answer.Content.ReadAsStreamAsync(cancellationToken);
    }

    /// <summary>Runs an ended task again, as a new one.</summary>
    /// <param name="taskId">The ended one, which stays as it is.</param>
    /// <param name="parameters">In place of all of its own.</param>
    /// <param name="idempotencyKey">The same key again is the same new task.</param>
    /// <param name="cancellationToken">Ends the waiting, not the request.</param>
    public Task<SubmittedTask> ReplayAsync(string taskId, JsonObject? parameters = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        RepeatAsync(Server.TaskPath(taskId, "/replay"), parameters, idempotencyKey, cancellationToken);

    /// <summary>Dead letters, the newest first, page after page as they are asked for.</summary>
    public async IAsyncEnumerable<DeadLetter> DeadLettersAsync(DeadLetterFilter? filter = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string? after = null;
        do
        {
            var query = Query.Of(
                ("project", filter?.Project), ("type", filter?.Type), ("class", filter?.Class), ("reason", filter?.Reason),
                ("resolved", filter is { IncludeResolved: true } ? "all" : null), ("after", after));
            var page = await _server.GetAsync("dead-letters" + query, ClientJson.Default.DeadLetterPage, cancellationToken);
            foreach (var letter in page.DeadLetters)
                yield return letter;
            after = page.Next;
        }
        while (after is not null);
    }

    /// <summary>All that is known of a dead letter.</summary>
    public Task<DeadLetterDetail> GetDeadLetterAsync(string id, CancellationToken cancellationToken = default) =>
        _server.GetAsync(LetterPath(id), ClientJson.Default.DeadLetterDetail, cancellationToken);

    /// <summary>Lets a new task go on in the place of a dead one. Where that was done and has not ended, the answer is that task.</summary>
    /// <param name="id">Of the dead letter, which stays as it is.</param>
    /// <param name="parameters">In place of all of its own.</param>
    /// <param name="idempotencyKey">The same key again is the same new task.</param>
    /// <param name="cancellationToken">Ends the waiting, not the request.</param>
    public Task<SubmittedTask> RedriveAsync(string id, JsonObject? parameters = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        RepeatAsync(LetterPath(id, "/redrive"), parameters, idempotencyKey, cancellationToken);

    /// <summary>Puts a dead letter aside; it can still be redriven.</summary>
    public Task DiscardAsync(string id, CancellationToken cancellationToken = default) =>
        PostAsync(LetterPath(id, "/discard"), null, null, cancellationToken);

    /// <summary>The types of task that the server takes.</summary>
    public async Task<IReadOnlyList<TaskType>> TaskTypesAsync(CancellationToken cancellationToken = default) =>
        (await _server.GetAsync("task-types", ClientJson.Default.TaskTypeList, cancellationToken)).Types;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsHttp)
            _server.Http.Dispose();
    }

    private Task<Answer> PostAsync(string path, HttpContent? body, string? key, CancellationToken cancellationToken) =>
        _server.PostAsync(path, body, key, ClientJson.Default.Answer, cancellationToken);

    private Task<SentInput> InputAsync(string taskId, InputBody body, string? key, CancellationToken cancellationToken) =>
        _server.PostAsync(Server.TaskPath(taskId, "/input"), JsonContent.Create(body, ClientJson.Default.InputBody), key, ClientJson.Default.SentInput, cancellationToken);

    private Task<SubmittedTask> RepeatAsync(string path, JsonObject? parameters, string? key, CancellationToken cancellationToken) =>
        _server.PostAsync(path, parameters is null ? null : JsonContent.Create(new RepeatBody(parameters), ClientJson.Default.RepeatBody), key, ClientJson.Default.SubmittedTask, cancellationToken);

    /// <summary>An answer may break off long after its status was good.</summary>
    private async ValueTask<bool> HasNextAsync<T>(IAsyncEnumerator<T> items)
    {
        try
        {
            return await items.MoveNextAsync();
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException)
        {
            throw _server.Unreachable(exception);
        }
    }

    private static string LetterPath(string id, string rest = "")
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return $"dead-letters/{Uri.EscapeDataString(id)}{rest}";
    }
}
