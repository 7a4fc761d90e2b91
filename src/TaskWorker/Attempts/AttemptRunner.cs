using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Lanes;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>What runs of tasks need, and where they begin.</summary>
internal sealed class AttemptRunner(
    CatalogueFile catalogue,
    ProjectConfigClient projects,
    ProgressLog log,
    StopSignals stops,
    Launchers launchers,
    ArtifactStore artifacts,
    InputFiles files,
    WorkerWarnings warnings,
    LaneReader reader,
    KafkaCluster cluster,
    IOptions<WorkerOptions> options,
    IOptions<KafkaOptions> kafka,
    TimeProvider clock,
    ILogger<AttemptRunner> logger)
{
    public TaskCatalogue Catalogue => catalogue.Current;
    public ProjectConfigClient Projects { get; } = projects;
    public ProgressLog Log { get; } = log;
    public StopSignals Stops { get; } = stops;
    public Launchers Launchers { get; } = launchers;
    public InputFiles Files { get; } = files;
    public ArtifactStore Artifacts { get; } = artifacts;
    public WorkerWarnings Warnings { get; } = warnings;
    public LaneReader Reader { get; } = reader;
    public Topics Topics { get; } = cluster.Topics;
    public WorkerOptions Options { get; } = options.Value;
    public TimeSpan Session { get; } = kafka.Value.SessionTimeout;

    /// <summary>Often enough that a part of it is never older than the retention of <c>task-progress</c>.</summary>
    public TimeSpan AliveInterval { get; } = kafka.Value.ProgressRetention / 100;

    public TimeProvider Clock { get; } = clock;
    public ILogger Logger { get; } = logger;
    public Executables Executables { get; } = new(options.Value.SearchPath);

    /// <param name="wrote">Told of each record that Kafka has acknowledged and from which something follows, on any thread, in order.</param>
    public AttemptRun Start(QueuedTask task, int attempt, Action<AttemptRecord, long> wrote) => new(task, attempt, this, wrote);
}
