namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>A row with its number in the sheet. A cell holds null, text, double, bool, DateTime, TimeSpan or <see cref="CellError"/>.</summary>
internal readonly record struct SheetRow(int Number, object?[] Cells)
{
    public bool IsEmpty => Array.TrueForAll(Cells, cell => cell is null);
}
