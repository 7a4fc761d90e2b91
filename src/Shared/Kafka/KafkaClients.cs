using Confluent.Kafka;

namespace TaskPipeline.Shared.Kafka;

public static class KafkaClients
{
    /// <summary>
    /// What there is next; null: nothing yet. A partition without leader, or one that is not there for a moment, is what the client retries by itself: only its
    /// fatal errors are thrown.
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

    /// <summary>
    /// Whether the record itself is what Kafka, or the client, does not take: the same one again would be refused again, and others are not
    /// concerned.
    /// </summary>
    public static bool IsRefusal(this Error error) => error.Code is
        ErrorCode.MsgSizeTooLarge or ErrorCode.RecordListTooLarge or ErrorCode.InvalidRecord
        or ErrorCode.InvalidMsg or ErrorCode.PolicyViolation or ErrorCode.InvalidTimestamp;

    /// <summary>
    /// As <see cref="IProducer{TKey,TValue}.ProduceAsync(TopicPartition, Message{TKey,TValue}, CancellationToken)"/>, but that whatever is wrong
    /// comes with the task.
    /// </summary>
    public static async Task<DeliveryResult<byte[]?, byte[]?>> DeliverAsync(
        this IProducer<byte[]?, byte[]?> producer, TopicPartition where, Message<byte[]?, byte[]?> message) =>
        await producer.ProduceAsync(where, message);

    /// <summary>Gives a client up without waiting for it, which may take as long as the client likes.</summary>
    public static void Discard(this IClient client) => _ = Task.Run(client.Dispose);
}
