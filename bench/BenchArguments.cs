using System.CommandLine;
using System.Globalization;

namespace TaskPipeline.Bench;

/// <summary>The given options of a bench, and the defaults of the others.</summary>
internal sealed class BenchArguments(ParseResult parsed, bool asJson)
{
    public bool AsJson => asJson;

    public string Text(string option) => parsed.GetValue<string>(option)!;

    public int Number(string option, int least, int most) => Number(option, Text(option), least, most);

    /// <summary>Numbers separated by commas, sorted.</summary>
    public IReadOnlyList<int> Numbers(string option, int least, int most) => [.. Parts(option).Select(part => Number(option, part, least, most)).Distinct().Order()];

    /// <summary>Names separated by commas, all of <paramref name="known"/>.</summary>
    public HashSet<string> Names(string option, IReadOnlyCollection<string> known)
    {
        var names = Parts(option).ToHashSet();
        return names.FirstOrDefault(name => !known.Contains(name)) is { } unknown
            ? throw new BadUsageException($"{option} accepts {string.Join(", ", known)}, not '{unknown}'")
            : names;
    }

    private string[] Parts(string option) => Text(option).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static int Number(string option, string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new BadUsageException($"{option} must be a number from {least} to {most}, not '{text}'");
}

internal sealed class BadUsageException(string message) : Exception(message);
