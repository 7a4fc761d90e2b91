namespace TaskPipeline.AgentCli.Analysing;

/// <summary>A question, reduced to the words that are compared with columns and values.</summary>
internal sealed class Question
{
    private const int ShortestWord = 3;
    private const int MatchingValues = 5;

    private static readonly HashSet<string> Fillers =
    [
        "the", "and", "for", "are", "all", "any", "how", "many", "much", "what", "which", "who", "why", "with", "from", "does", "have", "has",
        "was", "were", "that", "this", "there", "their", "into", "please", "show", "give", "tell", "find", "list", "summarise", "summarize",
        "analyse", "analyze", "about", "between", "than", "most", "column", "columns", "row", "rows", "value", "values", "data",
    ];

    private readonly string[] _words;

    public Question(string text)
    {
        Text = text.Trim();
        _words = [.. Words(Text).Where(word => word.Length >= ShortestWord && !Fillers.Contains(word)).Distinct()];
    }

    public string Text { get; }

    public bool Names(ColumnProfile column)
    {
        return Touches(column.Name);
    }

    public List<KeyValuePair<string, long>> ValuesIn(ColumnProfile column)
    {
        return [.. column.Values.Where(value => Touches(value.Key)).OrderByDescending(value => value.Value).Take(MatchingValues)];
    }

    private bool Touches(string text)
    {
        var words = Words(text).ToHashSet();
        return Array.Exists(_words, words.Contains);
    }

    private static IEnumerable<string> Words(string text)
    {
        var letters = text.Select(letter => char.IsLetterOrDigit(letter) ? char.ToLowerInvariant(letter) : ' ').ToArray();
        return new string(letters).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Singular);
    }

    // A rough rule, applied to both sides of the comparison.
    private static string Singular(string word)
    {
        return word.Length > ShortestWord && word.EndsWith('s') && !word.EndsWith("ss", StringComparison.Ordinal) ? word[..^1] : word;
    }
}
