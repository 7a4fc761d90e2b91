using Confluent.Kafka;

namespace TaskPipeline.Shared.Kafka;

public static class KafkaClients
{
    /// <summary>
    /// Returns the next record; null: none yet. The client itself retries partitions without a leader or missing for a moment, so only fatal errors
    /// are thrown.
    /// </summary>
    public static ConsumeResult<byte[]?, byte[]?>? Poll(this IConsumer<byte[]?, byte[]?> consumer, TimeSpan maxWait)
    {
        try
        {
            return consumer.Consume(maxWait);
        }
        catch (ConsumeException exception) when (!exception.Error.IsFatal)
        {
            return null;
        }
    }

    /// <summary>Whether Kafka or the client refuses the record itself: it would be refused again, and other records are not affected.</summary>
    public static bool IsRefusal(this Error error) => error.Code is
        ErrorCode.MsgSizeTooLarge or ErrorCode.RecordListTooLarge or ErrorCode.InvalidRecord
        or ErrorCode.InvalidMsg or ErrorCode.PolicyViolation or ErrorCode.InvalidTimestamp;

    /// <summary>
    /// <see cref="IProducer{TKey,TValue}.ProduceAsync(TopicPartition, Message{TKey,TValue}, CancellationToken)"/>, with every error in the task.
    /// </summary>
    public static async Task<DeliveryResult<byte[]?, byte[]?>> DeliverAsync(
        this IProducer<byte[]?, byte[]?> producer, TopicPartition where, Message<byte[]?, byte[]?> message) =>
        await producer.ProduceAsync(where, message);

    /// <summary>Disposes of a client without waiting, because that can take long.</summary>
    public static void Discard(this IClient client) => _ = Task.Run(client.Dispose);
}
