using Confluent.Kafka;
using Confluent.Kafka.Admin;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Broker;

public sealed class AdminOffsetsTests
{
    [Fact(Timeout = 60_000)]
    public async Task A_Kafka_that_has_gone_away_has_no_offsets()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        TopicPartition[] partitions = [new(cluster.Topics.Tasks, 0), new(cluster.Topics.Tasks, 1)];
        using var admin = cluster.Admin();
        Assert.Equal([0, 0], (await admin.OffsetsAsync(partitions, OffsetSpec.Latest(), IsolationLevel.ReadUncommitted)).Values);

        await broker.SendAsync("down");
        await Assert.ThrowsAsync<KafkaException>(async () => await admin.OffsetsAsync(partitions, OffsetSpec.Latest(), IsolationLevel.ReadUncommitted));
    }
}
