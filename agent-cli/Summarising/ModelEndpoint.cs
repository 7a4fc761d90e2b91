namespace TaskPipeline.AgentCli.Summarising;

/// <summary>An OpenAI-compatible endpoint, as the environment names it. The key is for the request only.</summary>
internal sealed record ModelEndpoint(Uri Completions, string Model, string? Key)
{
    /// <summary>Null where none is configured; a half configuration is a <see cref="ModelException"/>.</summary>
    public static ModelEndpoint? FromEnvironment()
    {
        var address = Environment.GetEnvironmentVariable("OPENAI_BASE_URL");
        if (string.IsNullOrWhiteSpace(address))
            return null;
        var model = Environment.GetEnvironmentVariable("OPENAI_MODEL");
        if (string.IsNullOrWhiteSpace(model))
            throw new ModelException("OPENAI_BASE_URL is set, OPENAI_MODEL is not");
        if (!Uri.TryCreate(address.TrimEnd('/') + "/chat/completions", UriKind.Absolute, out var completions) || !completions.Scheme.StartsWith("http", StringComparison.Ordinal))
            throw new ModelException("OPENAI_BASE_URL is no http address");
        return new ModelEndpoint(completions, model, Environment.GetEnvironmentVariable("OPENAI_API_KEY"));
    }
}
