using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Broker;

public sealed class StallWatchTests(TestBroker broker)
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(20);

    [Fact(Timeout = 60_000)]
    public async Task A_consumer_that_stays_behind_the_end_is_noticed_and_one_that_moves_or_is_there_is_not()
    {
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        var (behind, moving, done) = (new TopicPartition(cluster.Topics.Tasks, 0), new TopicPartition(cluster.Topics.Tasks, 1), new TopicPartition(cluster.Topics.Tasks, 2));
        using (var producer = cluster.OrderedProducer())
            foreach (var partition in new[] { behind, behind, moving, done })
                await producer.ProduceAsync(partition, new Message<byte[]?, byte[]?> { Value = "x"u8.ToArray() }, TestContext.Current.CancellationToken);
        using var watch = new StallWatch(cluster, IsolationLevel.ReadUncommitted, TimeSpan.Zero);
        var looks = 0;
        var places = new Dictionary<TopicPartition, long> { [moving] = -1000, [done] = 1 };
        Assert.False(await StallsAsync(() => looks < 10));
        places[behind] = 1;
        looks = 0;
        Assert.True(await StallsAsync(() => true));

        async Task<bool> StallsAsync(Func<bool> goesOn)
        {
            using var limit = new CancellationTokenSource(MaxWait);
            while (goesOn())
            {
                if (watch.StalledAt(Positions) is not null)
                    return true;
                await Task.Delay(5, limit.Token);
            }
            return false;
        }

        Dictionary<TopicPartition, long> Positions()
        {
            looks++;
            places[moving]++;
            return new Dictionary<TopicPartition, long>(places);
        }
    }
}
