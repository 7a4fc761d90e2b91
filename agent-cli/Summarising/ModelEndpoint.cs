namespace TaskPipeline.AgentCli.Summarising;

/// <summary>An OpenAI-compatible endpoint from the environment. The key is only used for the request.</summary>
internal sealed record ModelEndpoint(Uri Completions, string Model, string? Key)
{
    /// <summary>Null if none is configured. An incomplete configuration is a <see cref="ModelException"/>.</summary>
    public static ModelEndpoint? FromEnvironment()
    {
        var address = Environment.GetEnvironmentVariable("OPENAI_BASE_URL");
        if (string.IsNullOrWhiteSpace(address))
            return null;
        var model = Environment.GetEnvironmentVariable("OPENAI_MODEL");
        if (string.IsNullOrWhiteSpace(model))
            throw new ModelException("OPENAI_BASE_URL is set, OPENAI_MODEL is not");
        if (!Uri.TryCreate(address.TrimEnd('/') + "/chat/completions", UriKind.Absolute, out var completions) || !completions.Scheme.StartsWith("http", StringComparison.Ordinal))
            throw new ModelException("OPENAI_BASE_URL is not an HTTP address");
        return new ModelEndpoint(completions, model, Environment.GetEnvironmentVariable("OPENAI_API_KEY"));
    }
}
