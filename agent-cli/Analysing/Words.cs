using System.Globalization;

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>Words and numbers of the report.</summary>
internal static class Words
{
    public static string Of(CellKind kind)
    {
        return kind switch
        {
            CellKind.Empty => "empty",
            CellKind.Text => "text",
            CellKind.Number => "number",
            CellKind.Boolean => "yes/no",
            CellKind.Date => "date",
            _ => "error",
        };
    }

    public static string Percent(long share, long whole)
    {
        return whole == 0 ? "0 %" : (100.0 * share / whole).ToString("0.#", CultureInfo.InvariantCulture) + " %";
    }

    public static string Number(double value)
    {
        return value.ToString("0.####", CultureInfo.InvariantCulture);
    }
}
