using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>Starts attempts.</summary>
internal sealed class AttemptRunner(
    AgentSetup setup,
    InputFeeds inputs,
    StopSignals stops,
    ProgressLog log,
    IOptions<WorkerOptions> options,
    IOptions<KafkaOptions> kafka,
    TimeProvider clock,
    ILogger<AttemptRun> logger)
{
    /// <summary>Call this before the first attempt.</summary>
    public void Prepare() => setup.PrepareLauncher();

    /// <param name="wrote">Called for each acknowledged record that has consequences, on any thread, in order.</param>
    public AttemptRun Start(AttemptOrder order, Action<AttemptRecord, long> wrote) =>
        new(order, new AttemptLog(log, order.Id, options.Value.Id, clock, wrote), setup, inputs, stops, options.Value, kafka.Value, clock, logger);
}
