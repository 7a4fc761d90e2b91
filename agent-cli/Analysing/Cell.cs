using System.Globalization;
using System.Text.Json;

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>A stored cell as the analysis sees it.</summary>
internal readonly record struct Cell(CellKind Kind, string Text, double Number)
{
    private const int LongestText = 120;
    private static readonly string[] DateForms = ["yyyy-MM-dd", "yyyy-MM-ddTHH:mm:ss"];

    public static Cell Of(JsonElement stored)
    {
        return stored.ValueKind switch
        {
            JsonValueKind.String => OfText(stored.GetString()!),
            JsonValueKind.Number => new Cell(CellKind.Number, stored.GetRawText(), stored.GetDouble()),
            JsonValueKind.True => new Cell(CellKind.Boolean, "yes", 0),
            JsonValueKind.False => new Cell(CellKind.Boolean, "no", 0),
            JsonValueKind.Object => new Cell(CellKind.Error, stored.GetProperty("error").GetString()!, 0),
            _ => new Cell(CellKind.Empty, string.Empty, 0),
        };
    }

    private static Cell OfText(string text)
    {
        // Dates are stored in these forms, which sort by time.
        var isDate = DateTime.TryParseExact(text, DateForms, CultureInfo.InvariantCulture, DateTimeStyles.None, out _);
        var kept = text.Length <= LongestText ? text : text[..LongestText] + "…";
        return new Cell(isDate ? CellKind.Date : CellKind.Text, kept, 0);
    }
}
