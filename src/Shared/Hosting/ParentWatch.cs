using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace TaskPipeline.Shared.Hosting;

/// <summary>
/// Stops the host when its standard input ends, for a host that another process of ours has started: the pipe closes however that process ends, even
/// by <c>kill -9</c>. Enabled with <c>Parent:HoldsInput=true</c>.
/// </summary>
public sealed class ParentWatch(IHostApplicationLifetime lifetime) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // A read of standard input cannot be cancelled; its thread ends with the process.
        await OwnThread.Run(ReadToEnd).WaitAsync(stoppingToken);
        lifetime.StopApplication();
    }

    private static void ReadToEnd()
    {
        using var input = Console.OpenStandardInput();
        Span<byte> ignored = stackalloc byte[256];
        while (input.Read(ignored) > 0)
        {
            // Input is ignored.
        }
    }
}

public static class ParentWatchRegistration
{
    public static IHostApplicationBuilder AddParentWatch(this IHostApplicationBuilder builder)
    {
        if (builder.Configuration.GetValue("Parent:HoldsInput", false))
            builder.Services.AddHostedService<ParentWatch>();
        return builder;
    }
}
