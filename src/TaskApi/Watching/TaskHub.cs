using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Inputs;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Stopping;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// The SignalR hub. <c>Watch</c> streams the events of one task, history first: a stream is sent at the speed of its own connection, unlike messages
/// to a group. <c>Subscribe</c> sends state events of many tasks to the client's <c>state</c> handler.
/// </summary>
internal sealed class TaskHub(TaskFinder finder, TaskTable table, LogReader reader, StopRequests stops, InputRequests inputs, StateSubscriptions subscriptions,
    WatchLimit limit, TimeProvider clock) : Hub
{
    public IAsyncEnumerable<WatchEvent> Watch(string taskId, CancellationToken cancellationToken) => WatchFrom(taskId, new WatchRequest(), cancellationToken);

    /// <summary><see cref="Watch"/> with a place to start at; SignalR has no optional arguments.</summary>
    public async IAsyncEnumerable<WatchEvent> WatchFrom(string taskId, WatchRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var plan = WatchPlan.Of(request, lastEventId: null, clock.GetUtcNow(), out var error) ?? throw Refused(400, error!);
        using var entry = limit.Enter(Context.GetHttpContext()?.Connection.RemoteIpAddress, out var refusal) ?? throw Refused(429, refusal!);
        var watcher = Watcher.Of(table, await FindAsync(taskId, cancellationToken), reader, plan);
        while (!watcher.HasEnded)
        {
            while (await watcher.NextAsync(cancellationToken) is { } next)
                yield return next;
            if (!watcher.HasEnded)
                await watcher.WaitAsync(Timeout.InfiniteTimeSpan, cancellationToken);
        }
    }

    public async Task<StopAnswer> Stop(string taskId)
    {
        var problem = await stops.SendAsync(await FindAsync(taskId, Context.ConnectionAborted), "signalr");
        return problem is null ? new StopAnswer(taskId, Status.Stopping) : throw Refused(problem.StatusCode!.Value, problem.Detail);
    }

    /// <summary>Writes to the stdin of a running agent.</summary>
    public async Task<InputAnswer> Input(string taskId, JsonElement input)
    {
        if (JsonText.Check(JsonMarshal.GetRawUtf8Value(input), JsonBody.MostLevels) is { } error)
            throw Refused(400, $"{error.Path} {error.Reason}".TrimStart());
        var (body, wrong) = input.ValueKind == JsonValueKind.Object ? SendInput.Read(input)
            : (null, new Problem(400, "the input must be an object with text, close or both"));
        var (answer, problem) = wrong is null ? await inputs.SendAsync(await FindAsync(taskId, Context.ConnectionAborted), body!, "signalr") : (null, wrong);
        return answer ?? throw Refused(problem!.StatusCode!.Value, problem.Detail);
    }

    /// <summary>Sends state events of <c>all</c>, <c>project:NAME</c> or <c>task:ID</c> from now on. Can be called for several groups.</summary>
    public void Subscribe(string group) => subscriptions.Add(Context.ConnectionId, Checked(group), Context.ConnectionAborted);

    public void Unsubscribe(string group) => subscriptions.Remove(Context.ConnectionId, Checked(group));

    public override Task OnDisconnectedAsync(Exception? exception)
    {
        subscriptions.Forget(Context.ConnectionId);
        return base.OnDisconnectedAsync(exception);
    }

    private async Task<TrackedTask> FindAsync(string taskId, CancellationToken cancellationToken)
    {
        var (found, problem) = await finder.FindAsync(taskId, QueryCollection.Empty, cancellationToken);
        return found ?? throw Refused(problem!.StatusCode!.Value, problem.Detail);
    }

    private static string Checked(string? group) =>
        group is StateSubscriptions.All || IsOf("project:", group) || IsOf("task:", group) ? group!
            : throw Refused(400, "a group is all, project:NAME or task:ID");

    private static bool IsOf(string kind, string? group) => group?.StartsWith(kind, StringComparison.Ordinal) == true && TaskIds.IsValid(group[kind.Length..]);

    private static HubException Refused(int status, string detail) => new($"{status}: {detail}");
}
