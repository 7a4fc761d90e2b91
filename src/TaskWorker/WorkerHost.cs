using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskWorker.Attempts;
using TaskPipeline.TaskWorker.Kafka;
using TaskPipeline.TaskWorker.Lanes;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker;

internal static class WorkerHost
{
    private static readonly TimeSpan StopMargin = TimeSpan.FromSeconds(20);   // after the drain: the agent's grace period, and leaving the group

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["--help" or "-h" or "help"])
        {
            Console.WriteLine(Help);
            return 0;
        }
        try
        {
            Proc.CheckOwn();
            Posix.HideFromOthers();
            NativeHeap.KeepSmall();
            using var host = Build(args);
            CrashPoint.Arm(host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value.CrashAt);
            Workspace.Check(
                host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value,
                host.Services.GetRequiredService<ILoggerFactory>().CreateLogger<Workspace>());
            await host.RunAsync();
            return Environment.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return Environment.ExitCode;   // stopped or failed before the start was complete
        }
        catch (Exception exception) when (exception is OptionsValidationException or CatalogueException)
        {
            await Console.Error.WriteLineAsync($"TaskWorker cannot start: {exception.Message}");
            return ExitCodes.BadConfiguration;
        }
    }

    public static IHost Build(string[] args)
    {
        var builder = Host.CreateApplicationBuilder(HostArguments.For(args));
        builder.AddPipelineLogging();
        builder.AddParentWatch();
        var services = builder.Services;
        services.AddWorkerOptions();
        services.AddKafkaCluster();
        services.AddTaskCatalogue();
        services.AddHttpClient<ProjectConfigClient>((provider, http) =>
            http.BaseAddress = new Uri(provider.GetRequiredService<IOptions<WorkerOptions>>().Value.ProjectConfigUrl.TrimEnd('/') + "/"))
            .RemoveAllLoggers();   // otherwise four lines per task; the client logs failures itself
        services.AddSingleton<PlainProducer>();
        services.AddSingleton<ProgressLog>();
        services.AddSingleton<StopSignals>();
        services.AddSingleton<WorkerWarnings>();
        services.AddSingleton<WorkerPresence>();
        services.AddSingleton<Cgroups>();
        services.AddSingleton<Launchers>();
        services.AddAnnotatedOptions<ArtifactOptions>(ArtifactOptions.Section);
        services.AddSingleton<ArtifactStore>();
        services.AddHostedService<OldArtifacts>();
        services.AddSingleton<InputFiles>();
        services.AddSingleton<LaneReader>();
        services.AddSingleton<AgentSetup>();
        services.AddSingleton<InputFeeds>();
        services.AddSingleton<AttemptRunner>();
        services.AddHostedService<AgentReaper>();
        services.AddHostedService<OrphanCheck>();
        services.AddHostedService<WorkerService>();
        services.AddOptions<HostOptions>().Configure<IOptions<WorkerOptions>>((host, worker) => host.ShutdownTimeout = worker.Value.DrainTimeout + StopMargin);
        return builder.Build();
    }

    private const string Help = """
        TaskWorker runs the tasks of a pipeline, one at a time.

        Set environment variables, or pass the same settings as --Section:Name=value:
          Kafka__BootstrapServers    bootstrap servers, host:port,host:port (required)
          Kafka__TopicPrefix         prefix of all topics and groups
          Worker__ProjectConfigUrl   address of the project-config API (required)
          Worker__Id                 name of this worker; default: host name and process id
          Worker__DataDirectory      folder for workspaces
          Artifacts__Directory       folder for artifacts; the same as the API's
          Worker__SearchPath         folders with agents, before PATH
          Catalogue__File            the task types; default: task-types.yaml

        docs/operations.md lists all settings.
        """;
}
