using System.Globalization;

namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>Converts cell addresses: column B, cell B12. Columns and rows count from one.</summary>
internal static class CellAddress
{
    public static string Column(int column)
    {
        var letters = string.Empty;
        for (var rest = column; rest > 0; rest = (rest - 1) / 26)
            letters = (char)('A' + ((rest - 1) % 26)) + letters;
        return letters;
    }

    public static string Cell(int column, int row)
    {
        return Column(column) + row.ToString(CultureInfo.InvariantCulture);
    }

    public static int ColumnOf(string cell)
    {
        return cell.TakeWhile(char.IsAsciiLetter).Aggregate(0, (column, letter) => (column * 26) + char.ToUpperInvariant(letter) - 'A' + 1);
    }
}
