using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace TaskPipeline.TaskApi.Settings;

public sealed class ApiOptions
{
    public const string Section = "Api";

    /// <summary>Whether this API may listen where other machines can reach it. There is no login yet: whoever reaches it can run tasks.</summary>
    public bool AllowRemote { get; set; }

    /// <summary>Host names that requests may be addressed to, besides those of the loopback; <c>*</c> takes any, for use behind a proxy that checks.</summary>
    public IList<string> AllowedHosts { get; } = [];

    /// <summary>Origins of web pages that may use this API, besides its own, as <c>https://host:port</c>.</summary>
    public IList<string> AllowedOrigins { get; } = [];

    /// <summary>How long a request that writes may wait for Kafka before the answer is 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00", ErrorMessage = "Api:KafkaTimeout must be 100 ms to 1 min")]
    public TimeSpan KafkaTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How large a file may be that is stored for tasks.</summary>
    [Range(0, 1L << 40, ErrorMessage = "Api:MaxFileBytes must be 0 to 1 TiB")]
    public long MaxFileBytes { get; set; } = 64L << 20;

    /// <summary>How much memory the output of all tasks may take. What is older is read from Kafka when somebody asks for it.</summary>
    [Range(1L << 20, 1L << 40, ErrorMessage = "Api:MaxLogBytes must be 1 MiB to 1 TiB")]
    public long MaxLogBytes { get; set; } = 256L << 20;

    /// <summary>How many may watch at a time, over WebSockets, event streams and SignalR together.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Api:MaxWatchers must be 1 to 1000000")]
    public int MaxWatchers { get; set; } = 20_000;

    /// <summary>The same for one client, by its address. Behind a proxy all clients have the proxy's.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Api:MaxWatchersPerClient must be 1 to 1000000")]
    public int MaxWatchersPerClient { get; set; } = 5_000;

    /// <summary>How long a watcher's connection may take no data before it is closed; it can come back to where it was.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00", ErrorMessage = "Api:WriteTimeout must be 100 ms to 10 min")]
    public TimeSpan WriteTimeout { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>Checks the lists, which no attribute can; says of each entry that cannot be used what it should look like.</summary>
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
