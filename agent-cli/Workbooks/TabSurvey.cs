namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>A first pass over a tab: where its header is, which columns are used, and how many rows contain data.</summary>
internal sealed record TabSurvey(TabHeader Header, IReadOnlyList<TabColumn> Columns, int RowCount)
{
    public static TabSurvey Of(Workbook workbook, string tab, bool isCustomStructure, CancellationToken cancellationToken)
    {
        var head = new List<SheetRow>();
        var usage = new Usage();
        foreach (var row in workbook.Rows(tab))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (head.Count < TabHeader.SearchedRows)
                head.Add(row);
            else
                usage.Add(row);
        }

        if (head.Count == 0)
            throw new CommandException($"the tab '{tab}' is empty");
        var header = isCustomStructure ? TabHeader.Detect(head, workbook.MergedRanges(tab)) : TabHeader.InFirstRow(head);
        foreach (var row in head.Skip(header.LastRow))
            usage.Add(row);
        return new TabSurvey(header, NameColumns(header, usage), usage.Rows);
    }

    private static List<TabColumn> NameColumns(TabHeader header, Usage usage)
    {
        var columns = new List<TabColumn>();
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var index = 0; index < Math.Max(header.Names.Length, usage.Columns.Count); index++)
        {
            var name = header.Names.ElementAtOrDefault(index);
            if (name is null && !usage.Columns.ElementAtOrDefault(index))
                continue;
            name ??= $"Column {CellAddress.Column(index + 1)}";
            var unique = name;
            for (var number = 2; !taken.Add(unique); number++)
                unique = $"{name} ({number})";
            columns.Add(new TabColumn(index, unique));
        }

        return columns;
    }

    private sealed class Usage
    {
        public int Rows { get; private set; }

        public List<bool> Columns { get; } = [];

        public void Add(SheetRow row)
        {
            if (row.IsEmpty)
                return;
            Rows++;
            while (Columns.Count < row.Cells.Length)
                Columns.Add(false);
            for (var index = 0; index < row.Cells.Length; index++)
                Columns[index] |= row.Cells[index] is not null;
        }
    }
}

/// <summary>A column by its position in the tab, counted from zero. Its name is unique within the tab.</summary>
internal readonly record struct TabColumn(int Index, string Name);
