using System.Net;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Where the API listens. There is no login, and tasks are command lines: an address that other machines can reach needs an explicit setting.
/// </summary>
internal static class ListenAddresses
{
    public const string Default = "http://127.0.0.1:8080";

    /// <summary>Uses the first configured source; throws <see cref="StartRefusedException"/> for addresses beyond the loopback.</summary>
    public static void Apply(WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        var addresses = (configuration["urls"] ?? PortsOf(configuration, "http") ?? Default)
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        builder.WebHost.UseUrls(addresses);
        // The .NET images set HTTP_PORTS. It is read above; Kestrel must not log that it is overridden.
        builder.WebHost.UseSetting("http_ports", null).UseSetting("https_ports", null);
        var endpoints = configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(endpoint => endpoint["Url"]).OfType<string>();
        var remote = addresses.Concat(endpoints).Where(address => !IsLoopback(address)).ToList();
        if (remote.Count > 0 && !configuration.GetValue<bool>($"{ApiOptions.Section}:{nameof(ApiOptions.AllowRemote)}"))
            throw new StartRefusedException(
                $"{string.Join(", ", remote)} can be reached from other machines and there is no login: listen on 127.0.0.1, or set "
                + "Api:AllowRemote=true where only trusted machines can connect");
    }

    private static string? PortsOf(ConfigurationManager configuration, string scheme) =>
        configuration[$"{scheme}_ports"] is { Length: > 0 } ports ? string.Join(';', ports.Split(';').Select(port => $"{scheme}://*:{port}")) : null;

    private static bool IsLoopback(string address)
    {
        var host = BindingAddress.Parse(address).Host;
        return host is "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
    }
}

/// <summary>A configuration that is refused; only a person can correct it.</summary>
internal sealed class StartRefusedException(string message) : Exception(message);
