using System.Diagnostics.CodeAnalysis;
using Confluent.Kafka;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Passes records to their handler, one at a time. A failure with one record does not stop the reader: the record would fail again in each process
/// that reads it.
/// </summary>
public sealed class RecordHandling
{
    private readonly KafkaCluster _cluster;
    private readonly RecordGuard? _guard;
    private readonly long _place;
    private string _topic = "";
    private int _number;

    internal RecordHandling(KafkaCluster cluster, RecordGuard? guard) => (_cluster, _guard, _place) = (cluster, guard, guard?.NewPlace() ?? 0);

    /// <returns>Why the record is skipped, in words for people; null: it was handled.</returns>
    [SuppressMessage("Design", "CA1031", Justification = "One bad record must not end a reading loop")]
    public string? Handle(ConsumeResult<byte[]?, byte[]?> record, Action<ConsumeResult<byte[]?, byte[]?>> handle)
    {
        if (_guard?.IsSetAside(record) == true)
            return "it is set aside: processes have repeatedly died at it";
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
