using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace TaskPipeline.Shared.Kafka;

public static class AdminOffsets
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The first or last offsets of partitions, without those whose leader does not answer. With <see cref="IsolationLevel.ReadCommitted"/> the end
    /// is the first open transaction.
    /// </summary>
    /// <exception cref="KafkaException">There was no answer for any of them.</exception>
    public static async Task<Dictionary<TopicPartition, long>> OffsetsAsync(
        this IAdminClient admin, IEnumerable<TopicPartition> partitions, OffsetSpec spec, IsolationLevel isolation)
    {
        var specs = partitions.Select(partition => new TopicPartitionOffsetSpec { TopicPartition = partition, OffsetSpec = spec }).ToList();
        if (specs.Count == 0)
            return [];
        var answered = await ListAsync(admin, specs, new ListOffsetsOptions { IsolationLevel = isolation, RequestTimeout = Timeout });
        // On a timeout librdkafka 2.15 reports success, with offsets that no record can have.
        var offsets = answered.Select(info => info.TopicPartitionOffsetError).Where(found => !found.Error.IsError && found.Offset.Value >= 0)
            .ToDictionary(found => found.TopicPartition, found => found.Offset.Value);
        return offsets.Count > 0 ? offsets : throw new KafkaException(
            answered.Select(info => info.TopicPartitionOffsetError.Error).FirstOrDefault(error => error.IsError, new Error(ErrorCode.Local_TimedOut)));
    }

    private static async Task<List<ListOffsetsResultInfo>> ListAsync(IAdminClient admin, List<TopicPartitionOffsetSpec> specs, ListOffsetsOptions options)
    {
        try
        {
            return (await admin.ListOffsetsAsync(specs, options)).ResultInfos;
        }
        catch (ListOffsetsException exception)
        {
            return exception.Result.ResultInfos;   // each with its own error
        }
    }
}
