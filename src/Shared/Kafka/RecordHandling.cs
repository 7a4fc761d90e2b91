using System.Diagnostics.CodeAnalysis;
using Confluent.Kafka;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Hands records to whoever handles them, one at a time. Whatever is wrong with one, those behind it are read: it was written once, and would end
/// each process that reads it, again and again.
/// </summary>
public sealed class RecordHandling
{
    private readonly KafkaCluster _cluster;
    private readonly RecordGuard? _guard;
    private readonly long _place;
    private string _topic = "";
    private int _number;

    internal RecordHandling(KafkaCluster cluster, RecordGuard? guard) => (_cluster, _guard, _place) = (cluster, guard, guard?.NewPlace() ?? 0);

    /// <returns>Why the record is passed over, in words for its readers; null: it was handled.</returns>
    [SuppressMessage("Design", "CA1031", Justification = "The edge of every loop that reads")]
    public string? Handle(ConsumeResult<byte[]?, byte[]?> record, Action<ConsumeResult<byte[]?, byte[]?>> handle)
    {
        if (_guard?.IsSetAside(record) == true)
            return "it is set aside: processes have died at it, again and again";
        Note(record);
        try
        {
            handle(record);
            return null;
        }
        catch (Exception exception)
        {
            _cluster.Skip(record, exception);
            return $"it cannot be handled: {exception.Message}";
        }
        finally
        {
            _guard?.Clear(_place);
        }
    }

    private void Note(ConsumeResult<byte[]?, byte[]?> record)
    {
        if (_guard is null)
            return;
        if (!ReferenceEquals(_topic, record.Topic))
            (_topic, _number) = (record.Topic, _guard.NumberOf(record.Topic));
        _guard.Note(_place, _number, record);
    }
}
