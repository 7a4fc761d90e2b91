using Confluent.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>
/// Brings what is sent to one attempt from <c>task-input</c> to its agent, in order, and has the log tell of each when it was written. What the agent does not
/// read yet waits in Kafka.
/// </summary>
internal sealed class InputFeed : IDisposable
{
    private const int MostWaiting = 64;
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    private readonly LaneReader _reader;
    private readonly TopicPartition _partition;
    private readonly AttemptLog _log;
    private readonly SecretForms _secrets;
    private readonly AgentRun _agent;
    private readonly HashSet<string> _seen = [];   // of the reader's thread
    private int _waiting;

    /// <param name="from">Where the topic ended before the attempt began: what is there is for another one.</param>
    public InputFeed(LaneReader reader, TopicPartition partition, long from, string taskId, int attempt, AttemptLog log, SecretForms secrets, AgentRun agent)
    {
        (_reader, _partition, _log, _secrets, _agent) = (reader, partition, log, secrets, agent);
        _reader.Read(partition, from, result =>
        {
            if (result.Message.Value is { } value && TaskJson.TryDecodeInput(value, out var input, out _) && (input!.TaskId, input.Attempt) == (taskId, attempt) && _seen.Add(input.InputId))
                Give(input);
        });
    }

    /// <summary>Where a partition ends now, however long Kafka takes to say so.</summary>
    public static async Task<long> EndOfAsync(LaneReader reader, TopicPartition partition, TimeProvider clock, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await reader.EndOfAsync(partition).WaitAsync(cancellationToken);
            }
            catch (KafkaException)
            {
                await Task.Delay(AskAgain, clock, cancellationToken);
            }
        }
    }

    public void Dispose() => _reader.End(_partition);

    private void Give(TaskInput input)
    {
        if (Interlocked.Increment(ref _waiting) == MostWaiting)
            _reader.Pause(_partition);
        _agent.Type(new TypedInput(input.Text, input.Close, isWritten =>
        {
            _log.Input(input with { Text = input.Text is null ? null : new SecretMask(_secrets).Of(input.Text, isWhole: true) }, isWritten);
            if (Interlocked.Decrement(ref _waiting) == MostWaiting / 2)
                _reader.Resume(_partition);
        }));
    }
}

/// <summary>Something for an agent's stdin.</summary>
/// <param name="Text">Null: nothing to write.</param>
/// <param name="Closes">Nothing follows.</param>
/// <param name="Done">Told whether the agent has it; false: it reads no more.</param>
internal sealed record TypedInput(string? Text, bool Closes, Action<bool> Done);
