using System.Net;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Where the API listens. There is no login yet, and tasks are command lines: what other machines can reach has to be asked for by name.
/// </summary>
internal static class ListenAddresses
{
    public const string Default = "http://127.0.0.1:8080";

    /// <summary>Takes the first of what is configured; throws <see cref="StartRefusedException"/> for addresses beyond the loopback.</summary>
    public static void Apply(WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        var addresses = (configuration["urls"] ?? PortsOf(configuration, "http") ?? Default)
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        builder.WebHost.UseUrls(addresses);
        // An image of .NET sets HTTP_PORTS for itself; it is read above and must not be warned about as overridden.
        builder.WebHost.UseSetting("http_ports", null).UseSetting("https_ports", null);
        var endpoints = configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(endpoint => endpoint["Url"]).OfType<string>();
        var remote = addresses.Concat(endpoints).Where(address => !IsLoopback(address)).ToList();
        if (remote.Count > 0 && !configuration.GetValue<bool>($"{ApiOptions.Section}:{nameof(ApiOptions.AllowRemote)}"))
            throw new StartRefusedException(
                $"{string.Join(", ", remote)} can be reached from other machines and there is no login: listen on 127.0.0.1, or set "
                + "Api:AllowRemote=true where only trusted ones can connect");
    }

    private static string? PortsOf(ConfigurationManager configuration, string scheme) =>
        configuration[$"{scheme}_ports"] is { Length: > 0 } ports ? string.Join(';', ports.Split(';').Select(port => $"{scheme}://*:{port}")) : null;

    private static bool IsLoopback(string address)
    {
        var host = BindingAddress.Parse(address).Host;
        return host is "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
    }
}

/// <summary>A configuration that must not run; only a person can mend that.</summary>
internal sealed class StartRefusedException(string message) : Exception(message);
