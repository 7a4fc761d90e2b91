using System.Text;
using TaskPipeline.AgentCli.Importing;

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>The findings as Markdown.</summary>
internal static class AnalysisReport
{
    private const int TopValues = 5;

    /// <summary>All counted findings, without the title and the model's summary.</summary>
    public static string Findings(IReadOnlyList<ImportedTab> tabs, IReadOnlyList<TabProfile> profiles, Question question)
    {
        var report = new StringBuilder();
        AppendAnswer(report, tabs, profiles, question);
        foreach (var (tab, profile) in tabs.Zip(profiles))
            AppendTab(report, tab, profile);
        return report.ToString();
    }

    public static string Whole(Question question, string findings, string? summary, int workers)
    {
        var report = new StringBuilder("# Analysis of the imported data\n\n");
        report.Append(Markdown.Quote(question.Text)).Append("\n\n");
        report.Append("Read by ").Append(workers).Append(workers == 1 ? " worker.\n\n" : " workers in parallel.\n\n");
        if (summary is not null)
            report.Append("## Summary by the model\n\n").Append(summary.Trim()).Append("\n\n");
        return report.Append(findings).ToString();
    }

    private static void AppendAnswer(StringBuilder report, IReadOnlyList<ImportedTab> tabs, IReadOnlyList<TabProfile> profiles, Question question)
    {
        report.Append("## What the question touches\n\n");
        var start = report.Length;
        foreach (var (tab, profile) in tabs.Zip(profiles))
        {
            foreach (var column in profile.Columns)
            {
                var place = $"- **{Markdown.Cell(column.Name)}** ({Markdown.Cell(tab.Name)}, {Markdown.Cell(tab.FileName)})";
                if (question.Names(column))
                    report.Append(place).Append(": ").Append(Sentence(column, profile.Rows)).Append('\n');
                var values = question.ValuesIn(column);
                if (values.Count > 0)
                    report.Append(place).Append(" holds ").Append(Counted(values)).Append('\n');
            }
        }

        if (report.Length == start)
            report.Append("No column and no value contains a word of the question.\n");
        report.Append('\n');
    }

    private static string Sentence(ColumnProfile column, long rows)
    {
        var facts = new List<string> { $"{Kinds(column)}", $"{Words.Percent(column.Count(CellKind.Empty), rows)} empty", $"{Distinct(column)} distinct values" };
        if (column.Numbers.Count > 0)
            facts.Add($"from {column.Numbers.Smallest[0].Text} to {column.Numbers.Largest[0].Text}, mean {Words.Number(column.Numbers.Mean)}");
        if (column.Earliest is not null)
            facts.Add($"from {column.Earliest} to {column.Latest}");
        return string.Join("; ", facts);
    }

    private static void AppendTab(StringBuilder report, ImportedTab tab, TabProfile profile)
    {
        report.Append("## ").Append(Markdown.Cell(tab.Name)).Append(" (").Append(Markdown.Cell(tab.FileName)).Append(")\n\n");
        report.Append(profile.Rows).Append(" rows, ").Append(profile.Columns.Count).Append(" columns.\n\n");
        AppendTable(report, ["Column", "Filled", "Empty", "Types", "Distinct", "Most frequent"], profile.Columns.Select(column => (string[])
        [
            Markdown.Cell(column.Name),
            $"{profile.Rows - column.Count(CellKind.Empty)}",
            Words.Percent(column.Count(CellKind.Empty), profile.Rows),
            Kinds(column),
            Distinct(column),
            MostFrequent(column),
        ]));
        AppendTable(report, ["Numbers in", "Count", "Minimum", "Maximum", "Mean"], profile.Columns.Where(column => column.Numbers.Count > 0).Select(column => (string[])
        [
            Markdown.Cell(column.Name),
            $"{column.Numbers.Count}",
            column.Numbers.Smallest[0].Text,
            column.Numbers.Largest[0].Text,
            Words.Number(column.Numbers.Mean),
        ]));
        AppendTable(report, ["Dates in", "Count", "Earliest", "Latest"], profile.Columns.Where(column => column.Earliest is not null).Select(column => (string[])
        [
            Markdown.Cell(column.Name), $"{column.Count(CellKind.Date)}", column.Earliest!, column.Latest!,
        ]));
        AppendAnomalies(report, profile);
    }

    private static void AppendAnomalies(StringBuilder report, TabProfile profile)
    {
        var anomalies = profile.Columns.SelectMany(column => Anomalies.In(column).Select(anomaly => (column.Name, anomaly))).ToList();
        if (anomalies.Count == 0)
            return;
        report.Append("Unusual cells:\n\n");
        foreach (var (column, anomaly) in anomalies)
            report.Append("- **").Append(Markdown.Cell(column)).Append("**: ").Append(anomaly).Append('\n');
        report.Append('\n');
    }

    private static void AppendTable(StringBuilder report, string[] header, IEnumerable<string[]> rows)
    {
        var lines = rows.ToList();
        if (lines.Count == 0)
            return;
        lines.InsertRange(0, [header, [.. header.Select(_ => "---")]]);
        foreach (var line in lines)
            report.Append("| ").AppendJoin(" | ", line).Append(" |\n");
        report.Append('\n');
    }

    private static string Kinds(ColumnProfile column)
    {
        var kinds = column.Cells.Where(cells => cells.Key != CellKind.Empty).OrderByDescending(cells => cells.Value).ToList();
        return kinds switch
        {
            [] => "none",
            [var only] => Words.Of(only.Key),
            _ => string.Join(", ", kinds.Select(cells => $"{Words.Of(cells.Key)} {cells.Value}")),
        };
    }

    private static string Distinct(ColumnProfile column)
    {
        return column.HasMoreValues ? $"more than {ColumnProfile.TrackedValues}" : $"{column.Values.Count}";
    }

    private static string MostFrequent(ColumnProfile column)
    {
        var top = column.Values.OrderByDescending(value => value.Value).ThenBy(value => value.Key, StringComparer.Ordinal).Take(TopValues).ToList();
        // If each value occurs once, or if some values were not counted, there is no most frequent value.
        return column.HasMoreValues || top is [] or [{ Value: 1 }, ..] ? "–" : Counted(top);
    }

    private static string Counted(IEnumerable<KeyValuePair<string, long>> values)
    {
        return string.Join(", ", values.Select(value => $"{Markdown.Cell(value.Key)} ({value.Value})"));
    }
}
