using System.Collections.Concurrent;
using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Broker;

/// <summary>What the pipeline asks of any broker: the embedded one and a real Kafka must both do it, or the test says where they differ.</summary>
public sealed class BrokerConformanceTests(TestBroker broker)
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(20);

    [Fact(Timeout = 60_000)]
    public async Task A_pipeline_is_reached_and_its_kind_is_known()
    {
        var log = new CapturingLogger();
        var prefix = await broker.NewPipelineAsync(lanes: 3);

        var cluster = await broker.ConnectAsync(prefix, lanes: 3, logger: log);

        Assert.Equal(broker.IsEmbedded, cluster.IsEmbedded);
        Assert.NotEmpty(cluster.ClusterId);
        Assert.True(cluster.Connected.IsCompletedSuccessfully);
        Assert.DoesNotContain(log.Entries, entry => entry.Level >= LogLevel.Warning);   // such as topics whose settings differ from ours
    }

    [Fact(Timeout = 60_000)]
    public async Task Topics_with_another_number_of_lanes_are_refused_and_both_numbers_named()
    {
        var prefix = await broker.NewPipelineAsync(lanes: 3);

        var refusal = await Assert.ThrowsAsync<TopicMismatchException>(() => broker.ConnectAsync(prefix, lanes: 5));

        Assert.Contains($"{prefix}tasks has 3 partitions where 5 are configured", refusal.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task Looking_for_topics_that_are_missing_does_not_create_them_with_the_brokers_default()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        var missing = $"{cluster.Topics.Tasks}-missing";
        using (var consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted))
        {
            consumer.Assign(new TopicPartitionOffset(missing, 0, Offset.Beginning));
            // Refused or silent; what counts is what the broker has afterwards.
            _ = Record.Exception(() => consumer.Consume(TimeSpan.FromMilliseconds(300)));
        }

        using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = broker.BootstrapServers }).Build();
        Assert.DoesNotContain(admin.GetMetadata(MaxWait).Topics, topic => topic.Topic == missing);
    }

    [Fact(Timeout = 60_000)]
    public async Task What_is_produced_to_a_lane_is_consumed_in_order_with_key_and_tombstones()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        using var producer = cluster.OrderedProducer();
        for (var number = 0; number < 1000; number++)
            producer.Produce(new TopicPartition(cluster.Topics.Progress, 2), Message("key", number % 10 == 9 ? null : $"{number}"));
        producer.Flush(MaxWait);

        using var consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        consumer.Assign(new TopicPartitionOffset(cluster.Topics.Progress, 2, Offset.Beginning));
        var read = ReadToEnd(consumer);

        Assert.Equal(Enumerable.Range(0, 1000).Select(number => number % 10 == 9 ? null : $"{number}"), read.Select(ValueOf));
        Assert.All(read, record => Assert.Equal("key", Encoding.UTF8.GetString(record.Message.Key!)));
        Assert.Equal(Enumerable.Range(0, 1000).Select(number => (long)number), read.Select(record => record.Offset.Value));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_record_of_the_largest_size_passes()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        using var producer = cluster.OrderedProducer();
        var value = new byte[KafkaCluster.MaxRecordBytes - 1024];
        Random.Shared.NextBytes(value);   // nothing that compression would make small

        await producer.ProduceAsync(new TopicPartition(cluster.Topics.Tasks, 0), new Message<byte[]?, byte[]?> { Value = value }).WaitAsync(MaxWait);

        using var consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted);
        consumer.Assign(new TopicPartitionOffset(cluster.Topics.Tasks, 0, Offset.Beginning));
        Assert.Equal(value, Assert.Single(ReadToEnd(consumer)).Message.Value);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_tail_reads_what_was_there_says_so_and_goes_on_with_what_comes()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        using var producer = cluster.OrderedProducer();
        for (var number = 0; number < 100; number++)
            producer.Produce(new TopicPartition(cluster.Topics.Progress, number % 4), Message("early", $"{number}"));
        producer.Flush(MaxWait);
        var read = new ConcurrentQueue<ConsumeResult<byte[]?, byte[]?>>();
        var late = new TaskCompletionSource();
        var tail = new TopicTail(cluster, IsolationLevel.ReadUncommitted, [cluster.Topics.Progress, cluster.Topics.Control], record =>
        {
            read.Enqueue(record);
            if (record.Topic == cluster.Topics.Control)
                late.SetResult();
        });
        using var stop = new CancellationTokenSource();
        var running = tail.RunAsync(stop.Token);

        await tail.CaughtUp.WaitAsync(MaxWait);
        Assert.Equal(100, read.Count);
        Assert.All(Enumerable.Range(0, 4), lane => Assert.Equal(25, tail.PositionOf(cluster.Topics.Progress, lane)));

        await producer.ProduceAsync(new TopicPartition(cluster.Topics.Control, 0), Message("late", "STOP"));
        await late.Task.WaitAsync(MaxWait);

        await stop.CancelAsync();
        await running.WaitAsync(MaxWait);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_tail_of_empty_topics_has_caught_up_at_once()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        using var stop = new CancellationTokenSource();
        var tail = new TopicTail(cluster, IsolationLevel.ReadCommitted, [cluster.Topics.State], _ => { });
        var running = tail.RunAsync(stop.Token);

        await tail.CaughtUp.WaitAsync(MaxWait);

        await stop.CancelAsync();
        await running.WaitAsync(MaxWait);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_committed_offset_is_where_the_next_member_begins()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync(lanes: 1), lanes: 1);
        using var producer = cluster.OrderedProducer();
        for (var number = 0; number < 5; number++)
            await producer.ProduceAsync(new TopicPartition(cluster.Topics.Tasks, 0), Message("task", $"{number}"));

        await using (var first = new Member(cluster))
        {
            Assert.Equal(["0", "1", "2"], [await first.NextAsync(), await first.NextAsync(), await first.NextAsync()]);
            await first.DoAsync(consumer => consumer.Commit([new TopicPartitionOffset(cluster.Topics.Tasks, 0, 2)]));
        }

        await using var second = new Member(cluster);
        Assert.Equal("2", await second.NextAsync());
        var committed = await second.DoAsync(consumer => consumer.Committed([new TopicPartition(cluster.Topics.Tasks, 0)], MaxWait));
        Assert.Equal(2, Assert.Single(committed).Offset.Value);
    }

    [Fact(Timeout = 60_000)]
    public async Task When_a_member_vanishes_another_one_gets_its_lanes_and_the_record_that_was_not_committed()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        using var producer = cluster.OrderedProducer();
        var doomed = new Member(cluster);
        await doomed.HasLanesAsync(4);
        await producer.ProduceAsync(new TopicPartition(cluster.Topics.Tasks, 3), Message("task", "interrupted"));
        Assert.Equal("interrupted", await doomed.NextAsync());

        await doomed.VanishAsync();

        await using var heir = new Member(cluster);
        Assert.Equal("interrupted", await heir.NextAsync());
        await heir.HasLanesAsync(4);
    }

    [Fact(Timeout = 60_000)]
    public async Task Two_members_share_the_lanes_and_the_one_that_leaves_hands_its_lanes_over_at_once()
    {
        // On a real broker nothing but the farewell can move the lanes within such a session; the embedded one takes a session for every rebalance.
        var session = broker.IsEmbedded ? broker.SessionTimeout : 2 * MaxWait;
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync(), configure: options => options.SessionTimeout = session);
        await using var staying = new Member(cluster);
        await staying.HasLanesAsync(4);
        var leaving = new Member(cluster);
        await Task.WhenAll(staying.HasLanesAsync(2), leaving.HasLanesAsync(2));

        await leaving.DisposeAsync();

        await staying.HasLanesAsync(4);
    }

    [Fact(Timeout = 60_000)]
    public async Task An_aborted_transaction_is_never_read_and_a_committed_one_moves_the_offset_with_it()
    {
        Assert.SkipWhen(broker.IsEmbedded, TestBroker.NeedsKafka);
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync(lanes: 1), lanes: 1);
        using (var lines = cluster.OrderedProducer())
            await lines.ProduceAsync(new TopicPartition(cluster.Topics.Tasks, 0), Message("task", "0"));
        await using var member = new Member(cluster);
        await member.NextAsync();
        using var producer = cluster.TransactionalProducer($"{cluster.Topics.WorkerGroup}-test");
        producer.InitTransactions(MaxWait);

        producer.BeginTransaction();
        producer.Produce(new TopicPartition(cluster.Topics.State, 0), Message("task", "aborted"));
        producer.AbortTransaction(MaxWait);
        producer.BeginTransaction();
        producer.Produce(new TopicPartition(cluster.Topics.State, 0), Message("task", "committed"));
        var metadata = await member.DoAsync(consumer => consumer.ConsumerGroupMetadata);
        producer.SendOffsetsToTransaction([new TopicPartitionOffset(cluster.Topics.Tasks, 0, 1)], metadata, MaxWait);
        producer.CommitTransaction(MaxWait);

        using var reader = cluster.TailConsumer(IsolationLevel.ReadCommitted);
        reader.Assign(new TopicPartitionOffset(cluster.Topics.State, 0, Offset.Beginning));
        Assert.Equal(["committed"], ReadToEnd(reader).Select(ValueOf));
        var committed = await member.DoAsync(consumer => consumer.Committed([new TopicPartition(cluster.Topics.Tasks, 0)], MaxWait));
        Assert.Equal(1, Assert.Single(committed).Offset.Value);
    }

    private static Message<byte[]?, byte[]?> Message(string key, string? value) =>
        new() { Key = Encoding.UTF8.GetBytes(key), Value = value is null ? null : Encoding.UTF8.GetBytes(value) };

    private static string? ValueOf(ConsumeResult<byte[]?, byte[]?> record) =>
        record.Message.Value is { } value ? Encoding.UTF8.GetString(value) : null;

    private static List<ConsumeResult<byte[]?, byte[]?>> ReadToEnd(IConsumer<byte[]?, byte[]?> consumer)
    {
        var records = new List<ConsumeResult<byte[]?, byte[]?>>();
        while (true)
        {
            var result = consumer.Consume(MaxWait) ?? throw new TimeoutException($"no end of the partition after {records.Count} records");
            if (result.IsPartitionEOF)
                return records;
            records.Add(result);
        }
    }

    private sealed class CapturingLogger : ILogger<KafkaCluster>
    {
        public ConcurrentQueue<(LogLevel Level, string Text)> Entries { get; } = new();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Entries.Enqueue((logLevel, formatter(state, exception)));
    }
}
