using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace TaskPipeline.Shared.Hosting;

/// <summary>
/// Ends the host with its standard input, for one that was started by another process of ours: the pipe closes however that
/// process ends, also by <c>kill -9</c>. On with <c>Parent:HoldsInput=true</c>.
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
            // What is written there is for nobody.
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
