namespace TaskPipeline.AgentCli.Analysing;

/// <summary>Statistics of a column. The profiles of two parts can be merged; processes exchange them as JSON.</summary>
internal sealed class ColumnProfile
{
    /// <summary>A column with more different values is an identifier or free text, and not all of them are kept.</summary>
    public const int TrackedValues = 5_000;

    private const int KeptSamples = 3;

    public required string Name { get; init; }

    public Dictionary<CellKind, long> Cells { get; init; } = [];

    public Dictionary<CellKind, List<Sample>> Samples { get; init; } = [];

    public Dictionary<string, long> Values { get; init; } = [];

    public bool HasMoreValues { get; set; }

    public NumberProfile Numbers { get; init; } = new();

    public string? Earliest { get; set; }

    public string? Latest { get; set; }

    public long Count(CellKind kind)
    {
        return Cells.GetValueOrDefault(kind);
    }

    public void Add(int row, Cell cell)
    {
        Cells[cell.Kind] = Count(cell.Kind) + 1;
        if (cell.Kind == CellKind.Empty)
            return;
        AddValue(cell.Text, 1);
        AddSamples(cell.Kind, [new Sample(row, cell.Text)]);
        if (cell.Kind == CellKind.Number)
            Numbers.Add(row, cell.Number);
        if (cell.Kind == CellKind.Date)
            AddDates(cell.Text, cell.Text);
    }

    public void Merge(ColumnProfile later)
    {
        foreach (var (kind, count) in later.Cells)
            Cells[kind] = Count(kind) + count;
        foreach (var (value, count) in later.Values)
            AddValue(value, count);
        foreach (var (kind, samples) in later.Samples)
            AddSamples(kind, samples);
        HasMoreValues |= later.HasMoreValues;
        Numbers.Merge(later.Numbers);
        AddDates(later.Earliest, later.Latest);
    }

    private void AddValue(string value, long count)
    {
        if (Values.TryGetValue(value, out var known))
            Values[value] = known + count;
        else if (Values.Count < TrackedValues)
            Values[value] = count;
        else
            HasMoreValues = true;
    }

    private void AddSamples(CellKind kind, IReadOnlyList<Sample> samples)
    {
        if (!Samples.TryGetValue(kind, out var kept))
            Samples[kind] = kept = [];
        kept.AddRange(samples.Take(KeptSamples - kept.Count));
    }

    private void AddDates(string? earliest, string? latest)
    {
        if (earliest is not null && (Earliest is null || string.CompareOrdinal(earliest, Earliest) < 0))
            Earliest = earliest;
        if (latest is not null && (Latest is null || string.CompareOrdinal(latest, Latest) > 0))
            Latest = latest;
    }
}

internal sealed record Sample(int Row, string Text);
