using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TaskPipeline.Client;

/// <summary>
/// Client of one TaskPipeline server: submits, watches and controls tasks. It is safe for concurrent use; one client serves any number of tasks.
/// If the server refuses a request, calls throw a <see cref="TaskPipelineException"/> with the reason. If the server cannot be reached, they throw a
/// <see cref="ServerUnreachableException"/>. Calls are not repeated; watches reconnect.
/// </summary>
public sealed class TaskPipelineClient : IDisposable
{
    private readonly Server _server;
    private readonly bool _ownsHttp;

    /// <param name="address">Address of the API, such as <c>http://127.0.0.1:8080</c>. It can have a path.</param>
    /// <param name="http">For your own headers, certificates and proxies; watch sockets use it too. The client does not dispose it.</param>
    /// <exception cref="ArgumentException">The address does not begin with http:// or https://.</exception>
    public TaskPipelineClient(Uri address, HttpClient? http = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        _server = new Server(address, http ?? new HttpClient());
        _ownsHttp = http is null;
    }

    /// <summary>Submits a task. With an idempotency key, or your own task id, you can send the same task again: it remains one task.</summary>
    public Task<SubmittedTask> SubmitAsync(NewTask task, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        _server.PostAsync("tasks", JsonContent.Create(task, ClientJson.Default.NewTask), idempotencyKey, ClientJson.Default.SubmittedTask, cancellationToken);

    /// <summary>Submits a task that has only a type, a command and params.</summary>
    public Task<SubmittedTask> SubmitAsync(string type, string? command = null, JsonObject? parameters = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        SubmitAsync(new NewTask { Type = type, Command = command, Params = parameters }, idempotencyKey, cancellationToken);

    /// <summary>
    /// Returns the events of a task from its first line to its <see cref="EndEvent"/>, which is the last event. Events that have already happened come first.
    /// Each event comes once. If the connection is lost, the watch reconnects by itself and continues where it was. The end says whether the watch has
    /// proven that it returned every line.
    /// </summary>
    /// <exception cref="OutputMismatchException">Lines are missing, duplicated or changed.</exception>
    /// <exception cref="ServerUnreachableException">There was no connection for longer than <see cref="WatchOptions.MaxWait"/>.</exception>
    /// <exception cref="TaskPipelineException">There is no such task, or the options are invalid.</exception>
    public IAsyncEnumerable<WatchEvent> WatchAsync(string taskId, WatchOptions? options = null, CancellationToken cancellationToken = default) =>
        new Watch(_server, Server.TaskPath(taskId, "/watch"), options ?? new WatchOptions()).EventsAsync(cancellationToken);

    /// <summary>Watches a task that was just submitted. Its links let every replica find the task at once, also one that has not read its record yet.</summary>
    public IAsyncEnumerable<WatchEvent> WatchAsync(SubmittedTask task, WatchOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        return new Watch(_server, task.Links.Watch.TrimStart('/'), options ?? new WatchOptions()).EventsAsync(cancellationToken);
    }

    /// <summary>
    /// Returns the status changes of all tasks, or of one project, from now on: a <see cref="ViewHelloEvent"/>, then each <see cref="StateEvent"/>,
    /// <see cref="ProgressEvent"/> and <see cref="EndEvent"/>. A <see cref="MissedEvent"/> says that some events were not sent. If you call
    /// <see cref="ListAsync"/> after the hello and after each <see cref="MissedEvent"/>, you miss nothing. The watch ends only when the caller ends it.
    /// </summary>
    /// <exception cref="ServerUnreachableException">There was no connection for longer than <see cref="ViewOptions.MaxWait"/>.</exception>
    /// <exception cref="TaskPipelineException">The options are invalid.</exception>
    public IAsyncEnumerable<WatchEvent> WatchAllAsync(ViewOptions? options = null, CancellationToken cancellationToken = default) =>
        new View(_server, options ?? new ViewOptions()).EventsAsync(cancellationToken);

    /// <summary>All details of a task.</summary>
    /// <param name="taskId">The task's id.</param>
    /// <param name="after">A cursor. With <paramref name="wait"/>, the answer comes as soon as something new follows this cursor.</param>
    /// <param name="wait">How long to wait for news.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    public Task<TaskDetail> GetAsync(string taskId, string? after = null, TimeSpan? wait = null, CancellationToken cancellationToken = default) =>
        _server.GetAsync(Server.TaskPath(taskId, Query.Of(("after", after), ("wait", Query.Milliseconds(wait)))), ClientJson.Default.TaskDetail, cancellationToken);

    /// <summary>Tasks, newest first. Further pages are fetched during the enumeration.</summary>
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

    /// <summary>The lines of output that exist now, read as a stream. A line of <see cref="OutputStream.System"/> replaces missing lines.</summary>
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

    /// <summary>Requests a stop. The call returns when the request is durable; the <see cref="EndEvent"/> says when the task has ended.</summary>
    public Task StopAsync(string taskId, StopRequest? how = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/stop"), JsonContent.Create(how ?? new StopRequest(), ClientJson.Default.StopRequest), idempotencyKey, cancellationToken);

    /// <summary>Pauses a running task; a <see cref="StateEvent"/> says when it is paused.</summary>
    public Task PauseAsync(string taskId, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/pause"), null, idempotencyKey, cancellationToken);

    /// <summary>Resumes a paused task; a <see cref="StateEvent"/> says when it runs again.</summary>
    public Task ResumeAsync(string taskId, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/resume"), null, idempotencyKey, cancellationToken);

    /// <summary>Sends a line to the stdin of a task's agent; the <see cref="InputEvent"/> says when the agent has it.</summary>
    public Task<SentInput> InputAsync(string taskId, string text, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        InputAsync(taskId, new InputBody(text, null), idempotencyKey, cancellationToken);

    /// <summary>Closes the stdin of a task's agent.</summary>
    public Task<SentInput> CloseInputAsync(string taskId, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        InputAsync(taskId, new InputBody(null, true), idempotencyKey, cancellationToken);

    /// <summary>Runs a task now that is held, or that waits for its time.</summary>
    public Task ReleaseAsync(string taskId, CancellationToken cancellationToken = default) =>
        PostAsync(Server.TaskPath(taskId, "/release"), null, null, cancellationToken);

    /// <summary>Adds your own event to a task's timeline. Every watcher receives it once, as an <see cref="EmittedEvent"/>.</summary>
    /// <param name="taskId">A task that has not ended.</param>
    /// <param name="name">1 to 100 characters: A-Z, a-z, 0-9, dot, underscore and dash.</param>
    /// <param name="data">At most 16 KiB of JSON.</param>
    /// <param name="idempotencyKey">A repeated call with the same key adds no second event.</param>
    /// <param name="cancellationToken">Ends the waiting. The server may still process the request.</param>
    public Task<SentEvent> EmitAsync(string taskId, string name, JsonNode? data = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        _server.PostAsync(Server.TaskPath(taskId, "/emit"), JsonContent.Create(new EmitBody(name, data), ClientJson.Default.EmitBody), idempotencyKey, ClientJson.Default.SentEvent, cancellationToken);

    /// <summary>Stores a file for tasks: <see cref="StoredFile.File"/> goes into a param of type <c>file</c>.</summary>
    /// <param name="content">Is read to its end and then disposed.</param>
    /// <param name="name">Name of the file in a task's workspace.</param>
    /// <param name="cancellationToken">Cancels the upload; the server then keeps nothing of it.</param>
    public Task<StoredFile> StoreFileAsync(Stream content, string name, CancellationToken cancellationToken = default)
    {
        var body = new StreamContent(content) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        return _server.PostAsync("files" + Query.Of(("name", name)), body, null, ClientJson.Default.StoredFile, cancellationToken);
    }

    /// <summary>The artifacts of a task: files that its agents have left.</summary>
    public async Task<IReadOnlyList<Artifact>> ArtifactsAsync(string taskId, CancellationToken cancellationToken = default) =>
        (await _server.GetAsync(Server.TaskPath(taskId, "/artifacts"), ClientJson.Default.ArtifactList, cancellationToken)).Artifacts;

    /// <summary>The content of an artifact as a stream. Disposing it early stops the download.</summary>
    /// <param name="taskId">The task's id.</param>
    /// <param name="attempt">The <see cref="Artifact.Attempt"/>.</param>
    /// <param name="name">The <see cref="Artifact.Name"/>.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    public async Task<Stream> OpenArtifactAsync(string taskId, int attempt, string name, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var path = string.Join('/', name.Split('/').Select(Uri.EscapeDataString));
        var answer = await _server.OpenAsync(Server.TaskPath(taskId, $"/artifacts/{attempt}/{path}"), cancellationToken);
        return await answer.Content.ReadAsStreamAsync(cancellationToken);
    }

    /// <summary>Runs an ended task again, as a new task.</summary>
    /// <param name="taskId">The ended task. It does not change.</param>
    /// <param name="parameters">Replaces all params of the ended task; null keeps them.</param>
    /// <param name="idempotencyKey">A repeated call with the same key returns the same new task.</param>
    /// <param name="cancellationToken">Ends the waiting. The server may still process the request.</param>
    public Task<SubmittedTask> ReplayAsync(string taskId, JsonObject? parameters = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        RepeatAsync(Server.TaskPath(taskId, "/replay"), parameters, idempotencyKey, cancellationToken);

    /// <summary>Dead letters, newest first. Further pages are fetched during the enumeration.</summary>
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

    /// <summary>All details of a dead letter.</summary>
    public Task<DeadLetterDetail> GetDeadLetterAsync(string id, CancellationToken cancellationToken = default) =>
        _server.GetAsync(LetterPath(id), ClientJson.Default.DeadLetterDetail, cancellationToken);

    /// <summary>Replaces a dead task with a new task. If an earlier redrive has not ended, its task is returned.</summary>
    /// <param name="id">The dead letter's id. The dead letter does not change.</param>
    /// <param name="parameters">Replaces all params of the dead task; null keeps them.</param>
    /// <param name="idempotencyKey">A repeated call with the same key returns the same new task.</param>
    /// <param name="cancellationToken">Ends the waiting. The server may still process the request.</param>
    public Task<SubmittedTask> RedriveAsync(string id, JsonObject? parameters = null, string? idempotencyKey = null, CancellationToken cancellationToken = default) =>
        RepeatAsync(LetterPath(id, "/redrive"), parameters, idempotencyKey, cancellationToken);

    /// <summary>Marks a dead letter as discarded. It can still be redriven.</summary>
    public Task DiscardAsync(string id, CancellationToken cancellationToken = default) =>
        PostAsync(LetterPath(id, "/discard"), null, null, cancellationToken);

    /// <summary>The task types of the server.</summary>
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

    /// <summary>A response can break off after its successful status.</summary>
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
