using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Consuming;
using TaskPipeline.TaskWorker.Projects;
using TaskPipeline.TaskWorker.Reporting;
using TaskPipeline.TaskWorker.Stopping;

namespace TaskPipeline.TaskWorker.Running;

/// <summary>What runs of tasks need, and where they begin.</summary>
internal sealed class TaskRunner(
    CatalogueFile catalogue,
    ProjectConfigClient projects,
    StopSignals stops,
    ProgressLog log,
    IOptions<WorkerOptions> options,
    TimeProvider clock,
    ILogger<TaskRunner> logger)
{
    public TaskCatalogue Catalogue => catalogue.Current;
    public ProjectConfigClient Projects { get; } = projects;
    public StopSignals Stops { get; } = stops;
    public ProgressLog Log { get; } = log;
    public WorkerOptions Options { get; } = options.Value;
    public TimeProvider Clock { get; } = clock;
    public ILogger Logger { get; } = logger;
    public Executables Executables { get; } = new(options.Value.SearchPath);

    public TaskRun Start(OwnedLane lane, TaskSubmission submission, long offset) => new(lane, submission, offset, this);
}
