using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.TaskApi.Artifacts;
using TaskPipeline.TaskApi.DeadLetters;
using TaskPipeline.TaskApi.Docs;
using TaskPipeline.TaskApi.Emitting;
using TaskPipeline.TaskApi.Files;
using TaskPipeline.TaskApi.Health;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Inputs;
using TaskPipeline.TaskApi.Listing;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.Pausing;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Repeating;
using TaskPipeline.TaskApi.Scheduling;
using TaskPipeline.TaskApi.Stopping;
using TaskPipeline.TaskApi.Submitting;
using TaskPipeline.TaskApi.Ui;
using TaskPipeline.TaskApi.Watching;
using TaskPipeline.TaskApi.Workers;

namespace TaskPipeline.TaskApi;

/// <summary>Builds and runs the whole API, for the program and for tests that run several in one process.</summary>
internal static partial class ApiHost
{
    private const int CannotListen = 71;   // EX_OSERR of sysexits.h

    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            await using var app = Build(args);
            app.Services.GetRequiredService<IStartupValidator>().Validate();
            await app.RunAsync();
            return Environment.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return Environment.ExitCode;   // stopped or failed before the start was complete
        }
        catch (IOException taken) when (taken.InnerException is AddressInUseException)
        {
            await Console.Error.WriteLineAsync($"TaskApi cannot start: {taken.Message}");
            return CannotListen;
        }
        catch (Exception refused) when (refused is StartRefusedException or OptionsValidationException or CatalogueException)
        {
            await Console.Error.WriteLineAsync($"TaskApi cannot start: {refused.Message}");
            return ExitCodes.BadConfiguration;
        }
    }

    public static WebApplication Build(string[] args)
    {
        var builder = WebApplication.CreateBuilder(HostArguments.For(args));
        builder.AddPipelineLogging().AddParentWatch();
        builder.AddProtection();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(4));
        builder.Services.ConfigureHttpJsonOptions(json => ApiJson.Apply(json.SerializerOptions));
        builder.Services.AddTaskCatalogue().AddReadModel()
            .AddSubmitting().AddStopping().AddPausing().AddInputs().AddArtifacts().AddRepeating().AddDeadLetters().AddScheduling().AddWatching(ApiJson.Apply)
                .AddDocs();

        var app = builder.Build();
        app.UseRequestLogging();
        app.UseProtection();
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = HelloEvent.Heartbeat, KeepAliveTimeout = HelloEvent.Heartbeat });
        app.UseRouting();         // watch sockets go no further
        app.UseAuthorization();   // of SignalR; without this line the framework puts it before all others
        app.UseProblems();
        var tasks = app.MapTaskGroup();
        tasks.MapSubmitting();
        tasks.MapListing();
        tasks.MapArtifacts();
        tasks.MapStopping();
        tasks.MapPausing();
        tasks.MapInputs();
        tasks.MapScheduling();
        tasks.MapRepeating();
        tasks.MapEmitting();
        app.MapWatching();
        app.MapFiles();
        app.MapTaskTypes();
        app.MapDeadLetters();
        app.MapWorkers();
        app.MapHealth();
        app.MapDocs();
        app.MapPlainUi();
        app.Lifetime.ApplicationStarted.Register(() => LogListening(app.Logger, app.Urls));
        return app;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Listening on {Addresses}")]
    private static partial void LogListening(ILogger logger, ICollection<string> addresses);
}
