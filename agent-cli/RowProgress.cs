namespace TaskPipeline.AgentCli;

/// <summary>Prints <c>Processing row 120/500</c>: every row if there are few, about a thousand lines if there are many, and always the last row.</summary>
internal sealed class RowProgress(long total)
{
    private readonly long _step = Math.Max(1, total / 1000);
    private long _printed;

    public void Reached(long row)
    {
        if (row - _printed < _step && row != total)
            return;
        if (row == _printed)
            return;
        _printed = row;
        Console.WriteLine($"Processing row {row}/{total}");
    }
}
