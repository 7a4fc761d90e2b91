using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>
/// The current catalogue of a process. The file is checked every second, because change notifications do not work on every kind of mount. If it
/// becomes invalid, that is logged and the last valid catalogue stays.
/// </summary>
public sealed partial class CatalogueFile(IOptions<CatalogueOptions> options, TimeProvider clock, ILogger<CatalogueFile> logger) : BackgroundService
{
    private readonly string _file = Path.GetFullPath(options.Value.File);
    private TaskCatalogue? _current;
    private (DateTime, long) _seen;

    public TaskCatalogue Current => _current ?? throw new InvalidOperationException("The catalogue is read when the host starts");

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        _seen = Stamp();
        _current = Read();
        LogRead(logger, _current.Types.Count, _file);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            var stamp = Stamp();
            if (stamp == _seen)
                continue;
            _seen = stamp;
            try
            {
                _current = Read();
                LogRead(logger, _current.Types.Count, _file);
            }
            catch (CatalogueException exception)
            {
                LogUnusable(logger, exception.Message);
            }
        }
    }

    private (DateTime, long) Stamp() => new FileInfo(_file) is { Exists: true } file ? (file.LastWriteTimeUtc, file.Length) : default;

    private TaskCatalogue Read()
    {
        try
        {
            return TaskCatalogue.Parse(File.ReadAllText(_file), Path.GetDirectoryName(_file)!);
        }
        catch (Exception exception) when (exception is CatalogueException or IOException or UnauthorizedAccessException)
        {
            throw new CatalogueException($"Catalogue:File {_file}: {exception.Message}");
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Count} task types from {File}")]
    private static partial void LogRead(ILogger logger, int count, string file);

    [LoggerMessage(Level = LogLevel.Error, Message = "The changed catalogue is invalid, the previous one stays in use: {Reason}")]
    private static partial void LogUnusable(ILogger logger, string reason);
}

public static class CatalogueServices
{
    public static IServiceCollection AddTaskCatalogue(this IServiceCollection services)
    {
        services.AddAnnotatedOptions<CatalogueOptions>(CatalogueOptions.Section);
        services.AddSingleton<CatalogueFile>();
        services.AddHostedService(provider => provider.GetRequiredService<CatalogueFile>());
        return services;
    }
}
