namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Parses options of the form <c>name=value</c>, which can be repeated.</summary>
internal static class Pairs
{
    public static Dictionary<string, string> Of(string option, IEnumerable<string>? given)
    {
        var pairs = new Dictionary<string, string>();
        foreach (var text in given ?? [])
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
                throw CommandException.Usage($"{option} takes name=value, not '{text}'");
            if (!pairs.TryAdd(text[..equals], text[(equals + 1)..]))
                throw CommandException.Usage($"{option} gives '{text[..equals]}' twice");
        }
        return pairs;
    }
}
