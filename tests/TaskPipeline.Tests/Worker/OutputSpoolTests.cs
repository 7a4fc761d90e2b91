using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Output;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class OutputSpoolTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("taskpipeline-spool-").FullName;

    [Fact(Timeout = 60_000)]
    public async Task What_is_more_than_memory_takes_comes_out_in_order_and_as_it_went_in()
    {
        using var spool = new OutputSpool(_folder);
        var random = new Random(5);
        var added = new List<SpooledLine>();
        var taken = new List<SpooledLine>();
        for (var round = 0; round < 400; round++)
        {
            var lines = Enumerable.Range(0, random.Next(1, 200)).Select(_ => Line(random)).ToList();
            added.AddRange(lines);
            await spool.AddAsync(lines);
            for (var count = round % 50 < 30 ? 0 : random.Next(400); count > 0 && spool.TryTake(out var line); count--)
                taken.Add(line);
        }
        spool.Complete();
        while (await spool.WaitAsync())
            while (spool.TryTake(out var line))
                taken.Add(line);

        Assert.True(added.Sum(line => line.Text.Length) > 10_000_000);
        Assert.Equal(added, taken);
        Assert.False(await spool.WaitAsync());
    }

    [Fact(Timeout = 60_000)]
    public async Task One_who_waits_is_woken_by_a_line_and_by_the_end()
    {
        using var spool = new OutputSpool(_folder);
        var waiting = spool.WaitAsync().AsTask();
        Assert.False(waiting.IsCompleted);
        await spool.AddAsync([Line(new Random(1))]);
        Assert.True(await waiting);
        Assert.True(spool.TryTake(out _));
        waiting = spool.WaitAsync().AsTask();
        spool.Complete();
        Assert.False(await waiting);
    }

    [Fact(Timeout = 60_000)]
    public async Task Its_file_has_no_name_that_a_crash_could_leave_behind()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("there, the file goes with its last handle instead");
        using var spool = new OutputSpool(_folder);
        for (var i = 0; i < 100; i++)
            await spool.AddAsync([new SpooledLine(OutputStream.Stdout, new string('x', 60_000), null, null, DateTimeOffset.UtcNow)]);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact(Timeout = 60_000)]
    public async Task Where_the_disk_takes_nothing_the_agent_waits_until_lines_were_taken()
    {
        var noFolder = Path.Combine(_folder, "file");
        await File.WriteAllTextAsync(noFolder, "", TestContext.Current.CancellationToken);
        using var spool = new OutputSpool(noFolder);
        var line = new SpooledLine(OutputStream.Stdout, new string('x', 60_000), null, null, DateTimeOffset.UtcNow);
        var adding = Task.Run(async () =>
        {
            for (var i = 0; i < 100; i++)
                await spool.AddAsync([line]);
            spool.Complete();
        }, TestContext.Current.CancellationToken);
        var taken = 0;
        while (await spool.WaitAsync())
            while (spool.TryTake(out _))
                taken++;
        await adding;
        Assert.Equal(100, taken);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static SpooledLine Line(Random random)
    {
        var isPart = random.Next(10) == 0;
        var text = random.Next(20) == 0
            ? string.Concat(Enumerable.Repeat("Grüße 🎉 ", random.Next(4000)))
            : new string((char)('a' + random.Next(26)), random.Next(300));
        return new SpooledLine(
            random.Next(2) == 0 ? OutputStream.Stdout : OutputStream.Stderr,
            text,
            isPart ? random.Next(1, 9) : null,
            isPart ? random.Next(2) == 0 : null,
            DateTimeOffset.UtcNow);
    }
}
