namespace TaskPipeline.AgentCli.Analysing;

/// <summary>Cells that do not look like the rest of their column.</summary>
internal static class Anomalies
{
    /// <summary>A kind of cell that is rarer than this in its column is a mistake rather than a variant.</summary>
    private const double RareShare = 0.05;

    /// <summary>A number this many standard deviations from the mean is an outlier.</summary>
    private const double FarAway = 4;

    public static IEnumerable<string> In(ColumnProfile column)
    {
        var filled = column.Cells.Where(cells => cells.Key != CellKind.Empty).Sum(cells => cells.Value);
        if (column.Count(CellKind.Error) is > 0 and var errors)
            yield return $"{errors} error cells, {Places(column, CellKind.Error)}";
        foreach (var (kind, count) in column.Cells.Where(cells => cells.Key is not (CellKind.Empty or CellKind.Error)))
        {
            if (count <= filled * RareShare && filled > count)
                yield return $"{count} cells are {Words.Of(kind)} unlike the others, {Places(column, kind)}";
        }

        var numbers = column.Numbers;
        var outliers = numbers.Smallest.Concat(numbers.Largest).Distinct()
            .Where(sample => numbers.Deviation > 0 && Math.Abs(sample.Value - numbers.Mean) > FarAway * numbers.Deviation).ToArray();
        if (outliers.Length > 0)
            yield return $"far from the mean: {string.Join(", ", outliers.Select(sample => $"{sample.Text} (row {sample.Row})"))}";
    }

    private static string Places(ColumnProfile column, CellKind kind)
    {
        return "e.g. " + string.Join(", ", column.Samples[kind].Select(sample => $"{Markdown.Cell(sample.Text)} (row {sample.Row})"));
    }
}
