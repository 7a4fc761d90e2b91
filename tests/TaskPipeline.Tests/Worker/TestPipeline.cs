using System.Globalization;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;

namespace TaskPipeline.Tests.Worker;

/// <summary>
/// A pipeline of its own with real workers as processes. Tasks are submitted as bare Kafka records, and what becomes of them is read from the
/// topics by the lane's rules.
/// </summary>
internal sealed class TestPipeline : IAsyncDisposable
{
    public static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(40);

    // One task type per behaviour of an agent, all on /bin/sh: what the worker supervises are real processes.
    private const string Catalogue = """
        types:
          say:     { executable: sh, arguments: [-c, 'for word in "$@"; do echo "$word"; done', sh], params: { text: { positional: true, required: true } } }
          count:   { executable: sh, arguments: [-c, 'i=0; while [ $i -lt "$1" ]; do i=$((i+1)); echo "line $i"; done', sh], params: { lines: { positional: true, type: integer, required: true } } }
          script:  { executable: sh, params: { script: { stdin: true, required: true } }, grace: 1s }
          silent:  { executable: sleep, arguments: ['1000'], grace: 2s }
          patient: { executable: sh, arguments: [-c, 'echo started; while [ ! -e "$1" ]; do sleep 0.05; done; echo released', sh], params: { file: { positional: true, required: true } } }
          stubborn: { executable: sh, arguments: [-c, 'trap "" TERM; echo started; while :; do sleep 0.1; done'], grace: 300ms }
          short-lived: { executable: sleep, arguments: ['1000'], time_limit: 500ms, grace: 1s }
          chatty:  { executable: sh, arguments: [-c, 'while :; do echo again; done'], output_limit: { lines: 100 }, grace: 1s }
          retried: { executable: sh, params: { script: { stdin: true, required: true } }, retry: { attempts: 3, final_exit_codes: [9], backoff: { first: 100ms } } }
          deadly:  { executable: sh, arguments: [-c, 'echo started; kill -9 "$(cat "$1")"; sleep 1000', sh], params: { pid_file: { positional: true, required: true } }, retry: { lost: 2 } }
          open:    { executable: sh, arguments: [-c, 'cat "$1"', sh], params: { file: { positional: true, type: path, under: data, required: true } } }
          environment: { executable: env, pass_environment: [TEST_TOKEN], secrets: [TEST_TOKEN] }
          missing: { executable: there-is-no-such-program }
        """;

    private readonly CancellationTokenSource _ended = new();
    private readonly Dictionary<int, LaneLog> _lanes = [];                    // under the lock, as are the five below
    private readonly Dictionary<string, List<ProgressRecord>> _progress = [];
    private readonly Dictionary<string, List<TaskState>> _states = [];
    private readonly Dictionary<string, ScheduledTask> _scheduled = [];
    private readonly Dictionary<ProgressRecord, TopicPartitionOffset> _places = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<string> _forgotten = [];
    private readonly Lock _lock = new();
    private readonly int _lanesCount;
    private readonly TestBroker _broker;
    private readonly string _prefix;
    private readonly KafkaCluster _cluster;
    private readonly IProducer<byte[]?, byte[]?> _producer;
    private readonly List<Task> _tails = [];
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private TestPipeline(TestBroker broker, string prefix, int lanes, KafkaCluster cluster, ConfigApi config)
    {
        (_broker, _prefix, _lanesCount, _cluster, Config) = (broker, prefix, lanes, cluster, config);
        _producer = cluster.OrderedProducer();
    }

    public ConfigApi Config { get; }
    public List<ChildProcess> Workers { get; } = [];
    public string Folder { get; } = Directory.CreateTempSubdirectory("taskpipeline-test-").FullName;
    public KafkaCluster Cluster => _cluster;
    public Topics Topics => _cluster.Topics;
    public string Prefix => _prefix;

    /// <summary>With which a process reaches the topics.</summary>
    public IReadOnlyDictionary<string, string?> Settings => _broker.Settings(_prefix, _lanesCount);

    public string CatalogueFile => Path.Combine(Folder, "task-types.yaml");

    /// <param name="catalogue">Instead of this class's own.</param>
    public static async Task<TestPipeline> StartAsync(
        TestBroker broker, int workers = 1, int lanes = 2, string catalogue = Catalogue, params KeyValuePair<string, string?>[] settings)
    {
        var prefix = await broker.NewPipelineAsync(lanes);
        var pipeline = new TestPipeline(broker, prefix, lanes, await broker.ConnectAsync(prefix, lanes), await ConfigApi.StartAsync());
        await File.WriteAllTextAsync(pipeline.CatalogueFile, catalogue);
        var progress = new TopicTail(pipeline._cluster, IsolationLevel.ReadUncommitted, [pipeline.Topics.Progress], pipeline.TakeProgress);
        var state = new TopicTail(pipeline._cluster, IsolationLevel.ReadCommitted, [pipeline.Topics.State, pipeline.Topics.Schedule], pipeline.TakeCommitted);
        pipeline._tails.AddRange([progress.RunAsync(pipeline._ended.Token), state.RunAsync(pipeline._ended.Token)]);
        for (var i = 0; i < workers; i++)
            await pipeline.AddWorkerAsync(settings);
        return pipeline;
    }

    /// <summary>Starts a worker and waits until it polls.</summary>
    public Task<ChildProcess> AddWorkerAsync(params KeyValuePair<string, string?>[] settings) => AddWorkerAsync(isApart: false, settings);

    /// <param name="isApart">In a PID namespace of its own, which needs root; it ends when its input does.</param>
    public async Task<ChildProcess> AddWorkerAsync(bool isApart, params KeyValuePair<string, string?>[] settings)
    {
        var environment = _broker.Settings(_prefix, _lanesCount);
        environment["Worker:Id"] = $"w{Workers.Count + 1}";
        environment["Worker:ProjectConfigUrl"] = Config.Url;
        environment["Worker:DataDirectory"] = Path.Combine(Folder, "data");
        environment["Kafka:HandlingDirectory"] = Path.Combine(Folder, "handling");
        environment["Artifacts:Directory"] = Path.Combine(Folder, "artifacts");
        environment["Catalogue:File"] = CatalogueFile;
        environment["Parent:HoldsInput"] = "true";   // it ends with this process, however that ends
        foreach (var (key, value) in settings)
            environment[key] = value;
        var variables = environment.Select(setting => KeyValuePair.Create(setting.Key.Replace(":", "__", StringComparison.Ordinal), setting.Value));
        var worker = isApart
            ? ChildProcess.StartFile("unshare", "TaskWorker", ["--pid", "--fork", "--kill-child", "--mount-proc", BuildOutput.ProgramOf("TaskWorker")], variables)
            : ChildProcess.Start("TaskWorker", environment: variables);
        Workers.Add(worker);
        await worker.WaitForLineAsync("waits for tasks", MaxWait);
        return worker;
    }

    public async Task<string> SubmitAsync(string type, object? parameters = null, string? taskId = null, string project = "default", int? lane = null)
    {
        var id = taskId ?? TaskIds.New();
        await SubmitRawAsync(JsonSerializer.Serialize(new { task_id = id, project, type, @params = parameters ?? new { } }), id, lane);
        return id;
    }

    public async Task SubmitRawAsync(string value, string key = "", int? lane = null) =>
        await ProduceAsync(new TopicPartition(Topics.Tasks, lane ?? Math.Abs(string.GetHashCode(key, StringComparison.Ordinal)) % _lanesCount), key, value);

    public Task StopAsync(string taskId) => ProduceAsync(new TopicPartition(Topics.Control, 0), ControlRecord.StopKey(taskId), JsonSerializer.Serialize(new { task_id = taskId, signal = "STOP" }));

    public Task PauseAsync(string taskId) => ControlAsync(taskId, ControlRecord.Pause);

    public Task ResumeAsync(string taskId) => ControlAsync(taskId, ControlRecord.Resume);

    private Task ControlAsync(string taskId, string signal) =>
        ProduceAsync(new TopicPartition(Topics.Control, 0), ControlRecord.PauseKey(taskId), JsonSerializer.Serialize(new { task_id = taskId, signal }));

    public async Task ProduceAsync(TopicPartition partition, string key, string value) =>
        await _producer.ProduceAsync(partition, new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(key), Value = Encoding.UTF8.GetBytes(value) });

    /// <summary>What retention does some day: nothing of <c>task-progress</c> is kept that was there before this record.</summary>
    public async Task ForgetProgressBeforeAsync(ProgressRecord record)
    {
        TopicPartitionOffset? where = null;
        await UntilAsync("the record was read", () => _places.TryGetValue(record, out where));
        using var admin = _cluster.Admin();
        await admin.DeleteRecordsAsync([where!]);
    }

    /// <summary>The task's committed end, once it is there and the log is read as far as it says.</summary>
    public async Task<TaskState> EndOfAsync(string taskId)
    {
        await UntilAsync($"task {taskId} has ended", () => States(taskId).Count > 0);
        return States(taskId)[0];
    }

    /// <summary>The task's state while it waits for an attempt.</summary>
    public async Task<TaskState> WaitingAsync(string taskId, int attempt = 1)
    {
        TaskState? found = null;
        await UntilAsync($"task {taskId} waits behind attempt {attempt}", () =>
            (found = _states.GetValueOrDefault(taskId)?.Find(state => !state.Status.IsEnd() && state.Attempt == attempt)) is not null);
        return found!;
    }

    /// <summary>Does what the API does when an entry of the schedule is due.</summary>
    public async Task PutBackAsync(string taskId, int attempt)
    {
        ScheduledTask? entry = null;
        await UntilAsync($"task {taskId} is scheduled", () => _scheduled.TryGetValue(ScheduledTask.Key(taskId, attempt), out entry));
        var lane = (await WaitingAsync(taskId, attempt - 1)).Lane;
        await ProduceAsync(new TopicPartition(Topics.Tasks, lane), taskId, Encoding.UTF8.GetString(TaskJson.Encode(entry!.Task)));
    }

    /// <summary>Waits for a record of the task that counts.</summary>
    public async Task<T> RecordAsync<T>(string taskId, Func<T, bool>? isMeant = null) where T : ProgressRecord
    {
        T? found = null;
        await UntilAsync($"task {taskId} has a record {typeof(T).Name}", () =>
            (found = _progress.GetValueOrDefault(taskId)?.OfType<T>().FirstOrDefault(isMeant ?? (static _ => true))) is not null);
        return found!;
    }

    /// <summary>The worker that runs the task's first attempt.</summary>
    public async Task<ChildProcess> WorkerOfAsync(string taskId) =>
        Workers[int.Parse((await RecordAsync<AttemptStarting>(taskId)).Worker["w".Length..], CultureInfo.InvariantCulture) - 1];

    public Task LineAsync(string taskId, string text, int attempt = 1) =>
        RecordAsync<OutputLines>(taskId, record => record.Attempt == attempt && record.Lines.Any(line => line.Text == text));

    /// <summary>Whether the state that the task once had has been taken out; only to be asked in <see cref="UntilAsync"/>.</summary>
    public bool IsForgotten(string taskId) => _forgotten.Contains(taskId);

    public async Task<bool> IsEmbeddedAsync()
    {
        await _cluster.Connected;
        return _cluster.IsEmbedded;
    }

    /// <summary>Every committed end of the task; there must never be a second one.</summary>
    public IReadOnlyList<TaskState> States(string taskId)
    {
        lock (_lock)
            return [.. _states.GetValueOrDefault(taskId)?.Where(state => state.Status.IsEnd()) ?? []];
    }

    public IReadOnlyList<ProgressRecord> Progress(string taskId)
    {
        lock (_lock)
            return [.. _progress.GetValueOrDefault(taskId) ?? []];
    }

    public async Task<IReadOnlyList<OutputLine>> LinesAsync(string taskId, int attempt = 1)
    {
        await RecordAsync<AttemptExited>(taskId, record => record.Attempt == attempt);
        return [.. Progress(taskId).OfType<OutputLines>().Where(record => record.Attempt == attempt).SelectMany(record => record.Lines)];
    }

    public async Task UntilAsync(string reason, Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(MaxWait);
        while (true)
        {
            Task news;
            lock (_lock)
            {
                if (condition())
                    return;
                news = _news.Task;
            }
            try
            {
                await news.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Not within {MaxWait.TotalSeconds} s: {reason}.\n{string.Join("\n--\n", Workers.Select(worker => worker.Output))}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Politely first, so that workers end their agents; what does not follow is ended with all it started.
        foreach (var worker in Workers.Where(worker => !worker.HasExited))
        {
            worker.Resume();
            worker.CloseInput();
            worker.Signal(System.Runtime.InteropServices.PosixSignal.SIGTERM);
        }
        foreach (var worker in Workers)
        {
            await Task.WhenAny(worker.WaitForExitAsync(TimeSpan.FromSeconds(20)));
            await worker.DisposeAsync();
        }
        await _ended.CancelAsync();
        await Task.WhenAny(Task.WhenAll(_tails));
        _ended.Dispose();
        _producer.Dispose();
        await Config.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private void TakeProgress(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (!TaskJson.TryDecodeProgress(result.Message.Value, out var record, out _))
            return;
        lock (_lock)
        {
            if (!_lanes.TryGetValue(result.Partition.Value, out var lane))
                _lanes[result.Partition.Value] = lane = new LaneLog();
            if (lane.Apply(record!, result.Offset.Value) is { } counted && ((counted as AttemptRecord)?.TaskId ?? (counted as AttemptsSnapshot)?.TaskId ?? (counted as TaskEnded)?.TaskId) is { } taskId)
            {
                _places[counted] = result.TopicPartitionOffset;
                Add(_progress, taskId, counted);
            }
        }
        Notify();
    }

    private void TakeCommitted(ConsumeResult<byte[]?, byte[]?> result)
    {
        if (result.Message.Key is not { } bytes || Encoding.UTF8.GetString(bytes) is var key && key.StartsWith(LaneState.KeyPrefix, StringComparison.Ordinal))
            return;
        if (result.Topic == Topics.Schedule)
        {
            if (result.Message.Value is not null && TaskJson.TryDecodeScheduled(result.Message.Value, out var entry, out _))
                lock (_lock)
                    _scheduled[key] = entry!;
            Notify();
            return;
        }
        lock (_lock)
            if (result.Message.Value is null)
                _forgotten.Add(key);
            else if (TaskJson.TryDecodeState(result.Message.Value, out var state, out _))
                Add(_states, state!.TaskId, state);
        Notify();
    }

    private void Notify()
    {
        lock (_lock)
        {
            _news.SetResult();
            _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private static void Add<T>(Dictionary<string, List<T>> lists, string key, T item)
    {
        if (!lists.TryGetValue(key, out var list))
            lists[key] = list = [];
        list.Add(item);
    }
}
