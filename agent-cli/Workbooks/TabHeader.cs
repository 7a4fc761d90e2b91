using System.Text.RegularExpressions;
using ExcelDataReader;

namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>The position of a tab's header, and the text above each column (null if there is none).</summary>
internal sealed partial record TabHeader(int FirstRow, int LastRow, string?[] Names)
{
    /// <summary>How many rows are searched for a header.</summary>
    public const int SearchedRows = 50;

    public static TabHeader InFirstRow(IReadOnlyList<SheetRow> rows)
    {
        return rows is [var first, ..] && !first.IsEmpty
            ? new TabHeader(1, 1, [.. first.Cells.Select(Text)])
            : throw new CommandException("the first row is empty; --custom-structure searches for the header further down");
    }

    /// <summary>
    /// The header begins at the first row that has only texts, at least two (a merged cell is one text), over at least half of the used columns. It
    /// continues as far down as merged cells connect rows: to the bottom of a cell merged downwards, and to the row of texts below a cell merged across.
    /// </summary>
    public static TabHeader Detect(IReadOnlyList<SheetRow> rows, IReadOnlyList<CellRange> mergedRanges)
    {
        var width = rows.Max(row => Array.FindLastIndex(row.Cells, cell => cell is not null) + 1);
        foreach (var row in rows)
        {
            var texts = row.Cells.Count(cell => cell is string);
            var covered = Enumerable.Range(0, width).Count(column => Above(rows, mergedRanges, row.Number, column) is not null);
            if (texts >= 2 && covered * 2 >= width && HasOnlyTexts(row))
                return Spanning(row.Number, LastRowOf(rows, mergedRanges, row.Number), rows, mergedRanges, width);
        }

        throw new CommandException(
            $"no header was found in the first {rows.Count} rows: it is a row of at least two texts over at least half of the columns");
    }

    private static int LastRowOf(IReadOnlyList<SheetRow> rows, IReadOnlyList<CellRange> mergedRanges, int firstRow)
    {
        var last = firstRow;
        for (var row = firstRow; row <= last; row++)
        {
            var touching = mergedRanges.Where(range => range.FromRow + 1 <= row && row <= range.ToRow + 1).ToArray();
            last = touching.Aggregate(last, (bottom, range) => Math.Max(bottom, range.ToRow + 1));
            var hasGroup = touching.Any(range => range.ToColumn > range.FromColumn && range.ToRow + 1 == row);
            if (hasGroup && row == last && row < rows.Count && !rows[row].IsEmpty && HasOnlyTexts(rows[row]))
                last = row + 1;
        }

        return Math.Min(last, rows.Count);
    }

    private static TabHeader Spanning(int first, int last, IReadOnlyList<SheetRow> rows, IReadOnlyList<CellRange> mergedRanges, int width)
    {
        var names = new string?[width];
        for (var column = 0; column < width; column++)
        {
            var levels = Enumerable.Range(first, last - first + 1)
                .Select(row => Above(rows, mergedRanges, row, column)).OfType<string>().Distinct().ToArray();
            names[column] = levels.Length == 0 ? null : string.Join(" / ", levels);
        }

        return new TabHeader(first, last, names);
    }

    // A merged range keeps its text in the top left cell.
    private static string? Above(IReadOnlyList<SheetRow> rows, IReadOnlyList<CellRange> mergedRanges, int row, int column)
    {
        var range = mergedRanges.FirstOrDefault(range =>
            range.FromRow + 1 <= row && row <= range.ToRow + 1 && range.FromColumn <= column && column <= range.ToColumn);
        var cells = rows[(range?.FromRow ?? (row - 1))].Cells;
        var index = range?.FromColumn ?? column;
        return index < cells.Length ? Text(cells[index]) : null;
    }

    private static bool HasOnlyTexts(SheetRow row)
    {
        return Array.TrueForAll(row.Cells, cell => cell is null or string);
    }

    private static string? Text(object? cell)
    {
        return cell is null or CellError ? null : Spaces().Replace($"{cell}", " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
