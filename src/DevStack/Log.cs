namespace TaskPipeline.DevStack;

/// <summary>The common log of all processes. Each line has the name of its process in front, on a terminal in its own colour.</summary>
internal sealed class Log
{
    private const int NameWidth = 14;
    private static readonly string[] Colours = ["\e[36m", "\e[33m", "\e[32m", "\e[35m", "\e[34m", "\e[96m", "\e[93m", "\e[92m", "\e[95m", "\e[94m"];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _colours = [];
    private readonly bool _coloured = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "";

    public void Write(string name, string line)
    {
        lock (_lock)
        {
            if (!_colours.TryGetValue(name, out var colour))
                _colours[name] = colour = Colours[_colours.Count % Colours.Length];
            var label = name.PadRight(NameWidth);
            Console.Out.WriteLine(_coloured ? $"{colour}{label}|\e[0m {line}" : $"{label}| {line}");
        }
    }

    /// <summary>Prints a message of the stack itself, without a name in front.</summary>
    public void Say(string text)
    {
        lock (_lock)
            Console.Out.WriteLine(text);
    }
}
