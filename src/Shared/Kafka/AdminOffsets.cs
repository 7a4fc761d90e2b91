using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace TaskPipeline.Shared.Kafka;

internal static class AdminOffsets
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>The first or the last offset of partitions, but of those whose leader does not answer. With <see cref="IsolationLevel.ReadCommitted"/> an unended transaction is the end.</summary>
    /// <exception cref="KafkaException">Kafka did not answer.</exception>
    public static async Task<Dictionary<TopicPartition, long>> OffsetsAsync(this IAdminClient admin, IEnumerable<TopicPartition> partitions, OffsetSpec spec, IsolationLevel isolation)
    {
        var specs = partitions.Select(partition => new TopicPartitionOffsetSpec { TopicPartition = partition, OffsetSpec = spec }).ToList();
        if (specs.Count == 0)
            return [];
        var answered = await ListAsync(admin, specs, new ListOffsetsOptions { IsolationLevel = isolation, RequestTimeout = Timeout });
        return answered.Where(info => !info.TopicPartitionOffsetError.Error.IsError)
            .ToDictionary(info => info.TopicPartitionOffsetError.TopicPartition, info => info.TopicPartitionOffsetError.Offset.Value);
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
