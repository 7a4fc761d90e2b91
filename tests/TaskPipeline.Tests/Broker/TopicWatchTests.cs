using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Broker;

public sealed class TopicWatchTests(TestBroker broker)
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    [Fact(Timeout = 90_000)]
    public async Task A_transaction_that_keeps_what_is_committed_from_its_readers_is_told_while_it_lasts()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        if (cluster.IsEmbedded)
            Assert.Skip("the embedded broker has no transactions");
        using var hanging = cluster.TransactionalProducer("hanging");
        hanging.InitTransactions(MaxWait);
        hanging.BeginTransaction();
        await hanging.ProduceAsync(new TopicPartition(cluster.Topics.State, 1), new Message<byte[]?, byte[]?> { Key = "x"u8.ToArray() }, TestContext.Current.CancellationToken);

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var watch = new TopicWatch(cluster, TimeProvider.System, NullLogger<TopicWatch>.Instance, heldLimit: TimeSpan.FromSeconds(1));
        var watching = watch.RunAsync(ended.Token);
        await Eventually.TrueAsync("it is told", () => watch.Warnings is [var warning] && warning.StartsWith($"{cluster.Topics.State} [[1]] cannot be read beyond 0 of 1", StringComparison.Ordinal), MaxWait);
        hanging.AbortTransaction();
        await Eventually.TrueAsync("it is over", () => watch.Warnings.Count == 0, MaxWait);
        await ended.CancelAsync();
        await Task.WhenAny(watching);
    }
}
