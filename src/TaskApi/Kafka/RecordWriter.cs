using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Kafka;

/// <summary>Writes the records of callers' requests. A write that Kafka does not acknowledge in time fails, although the record may still be written.</summary>
internal sealed class RecordWriter(KafkaCluster cluster, TopicWatch watch, BrokerClock clock, IOptions<ApiOptions> options) : BackgroundService
{
    private static readonly TimeSpan StuckAfter = TimeSpan.FromSeconds(20);   // of failures only, while Kafka has answered others for half of it

    private static readonly TimeSpan ClockInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(500);

    private readonly TimeSpan _timeout = options.Value.KafkaTimeout;
    private readonly string _clockKey = $"clock/{Guid.NewGuid():N}";
    private readonly Lock _gate = new();
    private IProducer<byte[]?, byte[]?>? _producer;
    private long? _failingSince;   // guarded by _gate

    /// <summary>Returns the record's offset; null if Kafka did not acknowledge it.</summary>
    public Task<long?> SubmitAsync(TaskSubmission submission, int lane) =>
        WriteAsync(new TopicPartition(cluster.Topics.Tasks, lane), submission.TaskId, TaskJson.Encode(submission with { Lane = lane }));

    /// <summary>Returns the record's offset; null if Kafka did not acknowledge it.</summary>
    public Task<long?> ScheduleAsync(ScheduledTask scheduled, int lane) =>
        WriteAsync(new TopicPartition(cluster.Topics.Schedule, lane), ScheduledTask.Key(scheduled.TaskId, scheduled.Task.Attempt), TaskJson.Encode(
            scheduled with { Task = scheduled.Task with { Lane = lane } }));

    /// <summary>Writes the tombstone of an entry of <c>task-schedule</c>.</summary>
    public async Task<bool> ForgetScheduledAsync(string key, int lane) =>
        await WriteAsync(new TopicPartition(cluster.Topics.Schedule, lane), key, null) is not null;

    public async Task<bool> StopAsync(ControlRecord stop) =>
        await WriteAsync(new TopicPartition(cluster.Topics.Control, 0), ControlRecord.StopKey(stop.TaskId), TaskJson.Encode(stop)) is not null;

    public async Task<bool> PauseAsync(ControlRecord pause) =>
        await WriteAsync(new TopicPartition(cluster.Topics.Control, 0), ControlRecord.PauseKey(pause.TaskId), TaskJson.Encode(pause)) is not null;

    /// <summary>Returns the record's offset; null if Kafka did not acknowledge it.</summary>
    public Task<long?> EmitAsync(TaskEmitted emitted, int lane) =>
        WriteAsync(new TopicPartition(cluster.Topics.Progress, lane), emitted.TaskId, TaskJson.Encode(emitted));

    public async Task<bool> InputAsync(TaskInput input, int lane) =>
        await WriteAsync(new TopicPartition(cluster.Topics.Input, lane), input.TaskId, TaskJson.Encode(input)) is not null;

    /// <summary>Returns the chunk's offset; null if Kafka did not acknowledge it.</summary>
    public Task<long?> FileAsync(string key, byte[] chunk, int partition) => WriteAsync(new TopicPartition(cluster.Topics.Files, partition), key, chunk);

    public Task SnapshotAsync(AttemptsSnapshot snapshot, int lane) =>
        WriteAsync(new TopicPartition(cluster.Topics.Progress, lane), snapshot.TaskId, TaskJson.Encode(snapshot));

    public async Task<bool> ResolveAsync(DeadLetterResolution resolution) =>
        await WriteAsync(new TopicPartition(cluster.Topics.DeadLetters, 0), resolution.TaskId, TaskJson.Encode(resolution)) is not null;

    /// <summary>
    /// Regularly writes the tombstone of a worker that never existed, which has no meaning to any reader: its acknowledgement carries Kafka's time.
    /// The first write also creates the producer, which takes up to half a second, before a request needs it.
    /// </summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await cluster.Connected.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (cluster.Connected.IsCompletedSuccessfully && !stoppingToken.IsCancellationRequested)
        {
            await WriteAsync(new TopicPartition(cluster.Topics.Workers, 0), _clockKey, null);
            await Task.Delay(clock.Measured.IsCompleted ? ClockInterval : RetryPause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // No cancellation: a client that disconnects does not withdraw its request.
    private async Task<long?> WriteAsync(TopicPartition where, string key, byte[]? value)
    {
        var producer = Producer();
        var sent = clock.GetTimestamp();
        try
        {
            var written = await producer.ProduceAsync(where, new Message<byte[]?, byte[]?> { Key = Encoding.UTF8.GetBytes(key), Value = value });
            clock.Observe(sent, written.Timestamp);
            lock (_gate)
                _failingSince = null;
            return written.Offset.Value;
        }
        catch (KafkaException exception)
        {
            if (exception.Error.IsFatal || IsStuck())
                Replace(producer);
            return null;
        }
    }

    private IProducer<byte[]?, byte[]?> Producer()
    {
        lock (_gate)
            return _producer ??= cluster.RequestProducer(_timeout);
    }

    /// <summary>After a broker's restart the client (librdkafka) has been seen to send nothing any more, without an error.</summary>
    private bool IsStuck()
    {
        lock (_gate)
        {
            _failingSince ??= clock.GetTimestamp();
            return clock.GetElapsedTime(_failingSince.Value) > StuckAfter && watch.AnsweringFor > StuckAfter / 2;
        }
    }

    /// <summary>After a fatal error an idempotent producer refuses every write.</summary>
    private void Replace(IProducer<byte[]?, byte[]?> broken)
    {
        lock (_gate)
        {
            if (_producer != broken)
                return;
            (_producer, _failingSince) = (null, null);
        }
        broken.Discard();
    }

    public override void Dispose()
    {
        _producer?.Dispose();
        base.Dispose();
    }
}
