using System.Globalization;
using System.Text.Json;

namespace TaskPipeline.Bench;

/// <summary>Prints figures as a table or as JSON.</summary>
internal static class Report
{
    private static readonly string[] Headings = ["figure", "value", "unit", "floor", "ratio", "rounds"];

    public static void WriteTable(TextWriter output, string bench, IReadOnlyList<Figure> figures)
    {
        string[][] rows =
        [
            Headings,
            .. figures.Select(figure => (string[])
            [
                figure.Metric, Rounded(figure.Value), figure.Unit, Rounded(figure.Baseline), figure.Ratio is { } ratio ? ratio.ToString("0.00", CultureInfo.InvariantCulture) : "",
                $"{Rounded(figure.Least)} … {Rounded(figure.Most)}",
            ]),
        ];
        var widths = Enumerable.Range(0, Headings.Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        output.WriteLine($"\n{bench}: medians of the rounds, on {Environment.ProcessorCount} processors\n");
        foreach (var row in rows)
            output.WriteLine(string.Join("  ", row.Select((cell, column) => column is 0 or 2 or 5 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))).TrimEnd());
        if (figures.All(figure => figure.Floor is null))
            return;
        output.WriteLine("\nThe floors, measured in the same run between the rounds:");
        foreach (var floors in figures.Where(figure => figure.Floor is not null).GroupBy(figure => figure.Floor))
            output.WriteLine($"  {string.Join(", ", floors.Select(figure => figure.Metric))}: {floors.Key}");
    }

    public static void WriteJson(TextWriter output, string bench, IReadOnlyList<Figure> figures)
    {
        foreach (var figure in figures)
            output.WriteLine(JsonSerializer.Serialize(new
            {
                bench,
                metric = figure.Metric,
                value = Math.Round(figure.Value, 3),
                unit = figure.Unit,
                baseline = figure.Baseline is { } baseline ? Math.Round(baseline, 3) : (double?)null,
                ratio = figure.Ratio is { } ratio ? Math.Round(ratio, 3) : (double?)null,
            }));
    }

    private static string Rounded(double? value) =>
        value?.ToString(value switch { >= 1000 => "#,0", >= 100 => "0", >= 10 => "0.0", _ => "0.00" }, CultureInfo.InvariantCulture) ?? "";
}
