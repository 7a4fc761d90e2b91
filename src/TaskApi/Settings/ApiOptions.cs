using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace TaskPipeline.TaskApi.Settings;

public sealed class ApiOptions
{
    public const string Section = "Api";

    /// <summary>Whether this API may listen on addresses that other machines can reach. There is no login: every client can run tasks.</summary>
    public bool AllowRemote { get; set; }

    /// <summary>Host names that requests can be addressed to, besides the loopback's; <c>*</c> accepts any, for use behind a proxy that checks them.</summary>
    public IList<string> AllowedHosts { get; } = [];

    /// <summary>Origins of web pages that may use this API, besides its own, as <c>https://host:port</c>.</summary>
    public IList<string> AllowedOrigins { get; } = [];

    /// <summary>How long a write waits for Kafka before the answer is 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00", ErrorMessage = "Api:KafkaTimeout must be 100 ms to 1 min")]
    public TimeSpan KafkaTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The largest input file, in bytes.</summary>
    [Range(0, 1L << 40, ErrorMessage = "Api:MaxFileBytes must be 0 to 1 TiB")]
    public long MaxFileBytes { get; set; } = 64L << 20;

    /// <summary>Memory for the output of all tasks, in bytes. Older output is read from Kafka on request.</summary>
    [Range(1L << 20, 1L << 40, ErrorMessage = "Api:MaxLogBytes must be 1 MiB to 1 TiB")]
    public long MaxLogBytes { get; set; } = 256L << 20;

    /// <summary>Most watchers at a time, over WebSockets, event streams and SignalR together.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Api:MaxWatchers must be 1 to 1000000")]
    public int MaxWatchers { get; set; } = 20_000;

    /// <summary>The same per client address. Behind a proxy all clients have the proxy's address.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Api:MaxWatchersPerClient must be 1 to 1000000")]
    public int MaxWatchersPerClient { get; set; } = 5_000;

    /// <summary>How long a watcher's connection can accept no data before it is closed; the client can reconnect at its place.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00", ErrorMessage = "Api:WriteTimeout must be 100 ms to 10 min")]
    public TimeSpan WriteTimeout { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>Validates the lists, which attributes cannot; the message for each invalid entry shows the expected form.</summary>
internal sealed class ApiOptionsValidator : IValidateOptions<ApiOptions>
{
    public ValidateOptionsResult Validate(string? name, ApiOptions options)
    {
        var problems = options.AllowedOrigins.Where(origin => !IsOrigin(origin))
            .Select(origin => $"Api:AllowedOrigins: '{origin}' is not an origin like https://host:port")
            .Concat(options.AllowedHosts.Where(host => host != "*" && Uri.CheckHostName(host.Trim('[', ']')) == UriHostNameType.Unknown)
                .Select(host => $"Api:AllowedHosts: '{host}' is not a host name; write it without a port"))
            .ToList();
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static bool IsOrigin(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.GetLeftPart(UriPartial.Authority) == text;
}
