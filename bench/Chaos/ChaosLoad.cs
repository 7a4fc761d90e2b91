using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using TaskPipeline.Bench.Chaos.Checking;

namespace TaskPipeline.Bench.Chaos;

/// <summary>Submits the tasks of a plan to a replica that accepts them, some more than once; stops some, and watches as many as it can.</summary>
internal sealed class ChaosLoad(IReadOnlyList<HttpClient> replicas)
{
    private const int MostWatchers = 50;
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BeforeNextTry = TimeSpan.FromMilliseconds(200);

    private readonly ConcurrentDictionary<string, bool> _accepted = [];
    private readonly ConcurrentBag<Task<Watched>> _watching = [];
    private int _watchers;
    private int _next;

    /// <summary>Ids of the tasks that a replica has answered with 2xx.</summary>
    public IReadOnlyCollection<string> Accepted => [.. _accepted.Keys];

    /// <summary>Completes when all tasks and all stops are accepted.</summary>
    public Task RunAsync(IEnumerable<PlannedTask> tasks, CancellationToken stop) => Task.WhenAll(tasks.Select(task => RunAsync(task, stop)));

    /// <summary>The events of the watchers, when the last watcher has its end or was stopped.</summary>
    public Task<Watched[]> WatchedAsync() => Task.WhenAll(_watching);

    private async Task RunAsync(PlannedTask planned, CancellationToken stop)
    {
        await Task.Delay(planned.At, stop);
        var body = JsonSerializer.Serialize(new { task_id = planned.Id, project = planned.Project, type = planned.Type, @params = new { tenths = planned.Tenths } });
        await Task.WhenAll(Enumerable.Range(0, planned.IsDoubled ? replicas.Count : 1).Select(_ => SubmitAsync(planned.Id, body, stop)));
        if (Interlocked.Increment(ref _watchers) <= MostWatchers)
            _watching.Add(WatchAsync(planned.Id, stop));
        else
            Interlocked.Decrement(ref _watchers);
        if (planned.StopAfter is { } after)
        {
            await Task.Delay(after, stop);
            await PostAsync($"/tasks/{planned.Id}/stop", "{}", status => status is HttpStatusCode.Accepted or HttpStatusCode.Conflict, stop);
        }
        if (planned.IsDoubled)
            await SubmitAsync(planned.Id, body, stop);
    }

    private async Task SubmitAsync(string taskId, string body, CancellationToken stop)
    {
        await PostAsync("/tasks", body, status => (int)status is >= 200 and < 300, stop);
        _accepted[taskId] = true;
    }

    /// <summary>
    /// Repeats the request until it gets the wanted answer. An answer that blames the caller is a failure, because this caller makes no mistakes.
    /// </summary>
    private async Task PostAsync(string path, string body, Func<HttpStatusCode, bool> isWished, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
                limit.CancelAfter(MaxWait);
                using var answer = await NextReplica().PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), limit.Token);
                if (isWished(answer.StatusCode))
                    return;
                if (answer.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Conflict)
                    throw new BenchException($"POST {path} {body} answers {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(limit.Token)}");
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException or OperationCanceledException)
            {
                stop.ThrowIfCancellationRequested();   // otherwise the replica is down, frozen or cut off: use another one
            }
            await Task.Delay(BeforeNextTry, stop);
        }
    }

    private async Task<Watched> WatchAsync(string taskId, CancellationToken stop)
    {
        try
        {
            return await new ChaosWatcher(taskId, NextReplica).WatchAsync(stop);
        }
        finally
        {
            Interlocked.Decrement(ref _watchers);
        }
    }

    private HttpClient NextReplica() => replicas[(int)((uint)Interlocked.Increment(ref _next) % replicas.Count)];
}
