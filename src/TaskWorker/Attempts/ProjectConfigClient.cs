using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>
/// Client of the project-config API. While it does not answer, the task waits without limit: that is not the task's failure, and costs no attempt.
/// </summary>
internal sealed partial class ProjectConfigClient
{
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BreakDuration = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    private readonly HttpClient _http;
    private readonly ResiliencePipeline<HttpResponseMessage> _pipeline;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    public ProjectConfigClient(HttpClient http, TimeProvider clock, ILogger<ProjectConfigClient> logger)
    {
        _http = http;
        _clock = clock;
        _logger = logger;
        _pipeline = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = clock }
            .AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = static outcome => ValueTask.FromResult(IsTransient(outcome.Outcome)),
                MaxRetryAttempts = 3,
                Delay = TimeSpan.FromMilliseconds(200),
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
            })
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = static outcome => ValueTask.FromResult(IsTransient(outcome.Outcome)),
                FailureRatio = 0.9,
                MinimumThroughput = 4,
                SamplingDuration = TimeSpan.FromSeconds(30),
                BreakDuration = BreakDuration,
            })
            .AddTimeout(AttemptTimeout)
            .Build();
    }

    /// <exception cref="UnfitException">There is no such project, or its config is invalid.</exception>
    public async Task<ProjectConfig> GetAsync(string project, CancellationToken cancellationToken)
    {
        for (var isLogged = false; ; isLogged = true)
        {
            try
            {
                using var response = await _pipeline.ExecuteAsync(
                    async token => await _http.GetAsync($"projects/{Uri.EscapeDataString(project)}", token), cancellationToken);
                if (!IsTransient(Outcome.FromResult(response)))
                    return await ReadAsync(project, response, cancellationToken);
                if (!isLogged)
                    LogUnavailable(_logger, project, $"it answered {(int)response.StatusCode}");
            }
            catch (Exception exception) when (exception is HttpRequestException or TimeoutRejectedException or BrokenCircuitException)
            {
                if (!isLogged)
                    LogUnavailable(_logger, project, exception.Message);
            }
            await Task.Delay(AskAgain, _clock, cancellationToken);
        }
    }

    private static bool IsTransient(Outcome<HttpResponseMessage> outcome) =>
        outcome.Exception is HttpRequestException or TimeoutRejectedException
        || outcome.Result?.StatusCode is >= HttpStatusCode.InternalServerError or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests;

    private static async Task<ProjectConfig> ReadAsync(string project, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode == HttpStatusCode.NotFound)
            throw new UnfitException($"the project-config API has no project '{project}'");
        if (!response.IsSuccessStatusCode)
            throw new UnfitException($"the project-config API answered {(int)response.StatusCode} for project '{project}'");
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        try
        {
            var config = JsonSerializer.Deserialize(body, ProjectConfigJson.Default.ProjectConfig)
                ?? throw new UnfitException($"the config of project '{project}' is empty");
            return config with { Hash = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(body)) };
        }
        catch (JsonException exception)
        {
            throw new UnfitException($"the config of project '{project}' cannot be read: {exception.Message}");
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The project-config API does not answer for project {Project}; the task waits: {Reason}")]
    private static partial void LogUnavailable(ILogger logger, string project, string reason);
}
