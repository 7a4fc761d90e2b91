using System.Globalization;

namespace TaskPipeline.Bench;

/// <summary>The options that a bench was given, with the defaults of the others.</summary>
internal sealed class BenchArguments
{
    private readonly Dictionary<string, string> _values;

    private BenchArguments(Dictionary<string, string> values) => _values = values;

    public bool AsJson { get; private init; }

    /// <exception cref="BadUsageException">An option is not known or lacks its value.</exception>
    public static BenchArguments Parse(Benchmark bench, IEnumerable<string> arguments)
    {
        var values = bench.Options.ToDictionary(option => option.Name, option => option.Default);
        var asJson = false;
        for (var rest = new Queue<string>(arguments); rest.TryDequeue(out var argument);)
        {
            if (argument == "--json")
                asJson = true;
            else if (!values.ContainsKey(argument))
                throw new BadUsageException($"{bench.Name} has no option '{argument}'");
            else
                values[argument] = rest.TryDequeue(out var value) ? value : throw new BadUsageException($"{argument} lacks its value");
        }
        return new BenchArguments(values) { AsJson = asJson };
    }

    public string Text(string option) => _values[option];

    public int Number(string option, int least, int most) => Number(option, _values[option], least, most);

    /// <summary>Rising numbers with commas.</summary>
    public IReadOnlyList<int> Numbers(string option, int least, int most) => [.. Parts(option).Select(part => Number(option, part, least, most)).Distinct().Order()];

    /// <summary>Names with commas, out of <paramref name="known"/>.</summary>
    public HashSet<string> Names(string option, IReadOnlyCollection<string> known)
    {
        var names = Parts(option).ToHashSet();
        return names.FirstOrDefault(name => !known.Contains(name)) is { } unknown
            ? throw new BadUsageException($"{option} knows {string.Join(", ", known)}, but not '{unknown}'")
            : names;
    }

    private string[] Parts(string option) => _values[option].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static int Number(string option, string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new BadUsageException($"{option} must be a number from {least} to {most}, not '{text}'");
}

internal sealed class BadUsageException(string message) : Exception(message);
