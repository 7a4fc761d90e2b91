using System.Net;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Refuses requests from web pages that a user of this machine visits. The <c>Host</c> must be a configured name, which a page with DNS rebinding to
/// the loopback cannot send. An <c>Origin</c> header must be this API's own or configured. There are no cookies and no CORS.
/// </summary>
internal sealed class CallerCheck(RequestDelegate next, IOptions<ApiOptions> options)
{
    private readonly HashSet<string> _hosts = [.. options.Value.AllowedHosts.Select(host => host.ToLowerInvariant())];
    private readonly HashSet<string> _origins = [.. options.Value.AllowedOrigins.Select(origin => origin.ToLowerInvariant())];

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        if (!IsOurs(request.Host.Host))
            return new Problem(
                StatusCodes.Status421MisdirectedRequest,
                $"This API is not '{request.Host.Host}'; set the names that it answers to with Api:AllowedHosts").ExecuteAsync(context);
        if (request.Headers.Origin is [{ } origin, ..] && !IsAllowed(origin, request))
            return new Problem(StatusCodes.Status403Forbidden, $"Pages of '{origin}' may not use this API; set allowed origins with Api:AllowedOrigins")
                .ExecuteAsync(context);
        return next(context);
    }

    private bool IsOurs(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip))
        || _hosts.Contains("*")
        || _hosts.Contains(host.ToLowerInvariant());

    private bool IsAllowed(string origin, HttpRequest request) =>
        origin.Equals($"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase) || _origins.Contains(origin.ToLowerInvariant());
}
