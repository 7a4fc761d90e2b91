namespace TaskPipeline.Client;

/// <summary>Builds a query string; fields without a value are left out.</summary>
internal static class Query
{
    public static string Of(params ReadOnlySpan<(string Name, string? Value)> fields)
    {
        var given = new List<string>();
        foreach (var (name, value) in fields)
            if (value is not null)
                given.Add($"{name}={Uri.EscapeDataString(value)}");
        return given.Count == 0 ? "" : "?" + string.Join('&', given);
    }

    public static string? Milliseconds(TimeSpan? time) => time is { } given ? $"{Math.Max(0, (long)given.TotalMilliseconds)}ms" : null;

    public static string? Streams(IReadOnlyCollection<OutputStream>? streams) =>
        streams is { Count: > 0 } ? string.Join(',', streams.Select(stream => stream.ToString().ToLowerInvariant())) : null;
}
