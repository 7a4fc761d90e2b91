using System.Net;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Keeps web pages out that a person on this machine happens to visit. The <c>Host</c> must be a name of ours, which a page that had its own name
/// rebound to the loopback can't show; and an <c>Origin</c>, where a browser sends one, must be ours or configured. There are no cookies and no CORS.
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
                $"This API is not '{request.Host.Host}'; names it may be called by are set with Api:AllowedHosts").ExecuteAsync(context);
        if (request.Headers.Origin is [{ } origin, ..] && !IsAllowed(origin, request))
            return new Problem(StatusCodes.Status403Forbidden, $"Pages of '{origin}' may not use this API; origins that may are set with Api:AllowedOrigins")
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
