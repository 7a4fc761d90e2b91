using Confluent.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>
/// Passes input for one attempt from <c>task-input</c> to its agent, in order, and records each in the log when it was written. Input that the agent
/// does not read yet waits in Kafka.
/// </summary>
internal sealed class InputFeed : IDisposable
{
    private const int MostWaiting = 64;

    private readonly LaneReader _reader;
    private readonly TopicPartition _partition;
    private readonly AttemptLog _log;
    private readonly SecretForms _secrets;
    private readonly AgentRun _agent;
    private readonly HashSet<string> _seen = [];   // used only by the reader's thread
    private int _waiting;

    /// <param name="from">Offset in <c>task-input</c>: see <see cref="InputFeeds.EndOfAsync"/>.</param>
    public InputFeed(LaneReader reader, TopicPartitionOffset from, AttemptId id, AttemptLog log, SecretForms secrets, AgentRun agent)
    {
        (_reader, _partition, _log, _secrets, _agent) = (reader, from.TopicPartition, log, secrets, agent);
        _reader.Read(_partition, from.Offset, result =>
        {
            if (result.Message.Value is { } value && TaskJson.TryDecodeInput(value, out var input, out _)
                && (input!.TaskId, input.Attempt) == (id.TaskId, id.Attempt) && _seen.Add(input.InputId))
                Give(input);
        });
    }

    public void Dispose() => _reader.End(_partition);

    private void Give(TaskInput input)
    {
        if (Interlocked.Increment(ref _waiting) == MostWaiting)
            _reader.Pause(_partition);
        _agent.Type(new TypedInput(input.Text, input.Close, isWritten =>
        {
            _log.Input(input with { Text = input.Text is null ? null : _secrets.Masked(input.Text) }, isWritten);
            if (Interlocked.Decrement(ref _waiting) == MostWaiting / 2)
                _reader.Resume(_partition);
        }));
    }
}
