using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>Input for running attempts.</summary>
internal sealed class InputFeeds(KafkaCluster cluster, LaneReader reader, TimeProvider clock)
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    /// <summary>The current end of a lane's input, however long Kafka takes to answer: input from before an attempt begins is for another attempt.</summary>
    public async Task<long> EndOfAsync(int lane, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await reader.EndOfAsync(PartitionOf(lane)).WaitAsync(cancellationToken);
            }
            catch (KafkaException)
            {
                await Task.Delay(AskAgain, clock, cancellationToken);
            }
        }
    }

    public InputFeed Begin(AttemptId id, long from, AttemptLog log, SecretForms secrets, AgentRun agent) =>
        new(reader, new TopicPartitionOffset(PartitionOf(id.Lane), from), id, log, secrets, agent);

    private TopicPartition PartitionOf(int lane) => new(cluster.Topics.Input, lane);
}
