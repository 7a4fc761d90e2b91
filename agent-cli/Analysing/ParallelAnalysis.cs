using TaskPipeline.AgentCli.Databases;
using TaskPipeline.AgentCli.Importing;

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>Divides the rows of all imported tabs among child processes, and merges their profiles.</summary>
internal static class ParallelAnalysis
{
    public static async Task<List<TabProfile>> RunAsync(
        ProjectDatabase database, IReadOnlyList<ImportedTab> tabs, int workers, CancellationToken cancellationToken)
    {
        var total = tabs.Sum(tab => (long)tab.RowCount);
        var progress = new SharedProgress(total, workers);
        var parts = new List<PartProcess>();
        try
        {
            for (var part = 1; part <= workers; part++)
                parts.Add(PartProcess.Start(database, tabs.Select(tab => tab.Id), part, workers));
            var running = parts.Select((part, index) => part.ResultAsync(rows => progress.Reached(index, rows), cancellationToken)).ToList();
            // The first failure ends all: without this part the others are useless.
            await foreach (var ended in Task.WhenEach(running))
                await ended;
            return Merge([.. running.Select(part => part.Result)], total);
        }
        finally
        {
            foreach (var part in parts)
                part.Dispose();
        }
    }

    // In the order of parts, so that samples come from the first rows, not from the fastest part.
    private static List<TabProfile> Merge(List<List<TabProfile>> parts, long total)
    {
        var merged = parts[0];
        foreach (var part in parts.Skip(1))
        {
            foreach (var (tab, later) in merged.Zip(part))
                tab.Merge(later);
        }

        if (merged.Sum(tab => tab.Rows) != total)
            throw new CommandException("an import was replaced in the meantime; run the agent again");
        return merged;
    }

    private sealed class SharedProgress(long total, int workers)
    {
        private readonly Lock _lock = new();
        private readonly RowProgress _progress = new(total);
        private readonly long[] _rows = new long[workers];

        public void Reached(int part, int rows)
        {
            lock (_lock)
            {
                _rows[part] = rows;
                _progress.Reached(_rows.Sum());
            }
        }
    }
}
