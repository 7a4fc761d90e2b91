using Confluent.Kafka;

namespace TaskPipeline.Shared.Kafka;

public static class KafkaClients
{
    /// <summary>
    /// What there is next; null: nothing yet. A partition without leader, or one that is not there for a moment, is what the client retries by itself: only its
    /// fatal errors are thrown.
    /// </summary>
    public static ConsumeResult<byte[]?, byte[]?>? Poll(this IConsumer<byte[]?, byte[]?> consumer, TimeSpan patience)
    {
        try
        {
            return consumer.Consume(patience);
        }
        catch (ConsumeException exception) when (!exception.Error.IsFatal)
        {
            return null;
        }
    }

    /// <summary>Gives a client up without waiting for it, which may take as long as the client likes.</summary>
    public static void Discard(this IClient client) => _ = Task.Run(client.Dispose);
}
