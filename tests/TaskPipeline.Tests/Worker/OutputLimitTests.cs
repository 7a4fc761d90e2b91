using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What real workers make of agents that print too much, or what they must not.</summary>
public sealed class OutputLimitTests(TestBroker broker)
{
    private const string Catalogue = """
        types:
          cut:  { executable: sh, arguments: [-c, 'seq 1 100000; echo failed >&2; exit 3'], output_limit: { lines: 1000, then: cut } }
          few:  { executable: seq, arguments: ['900'], output_limit: { lines: 1000, then: cut } }
          long: { executable: sh, arguments: [-c, 'head -c 20000000 /dev/zero | tr "\0" x; echo; echo end'], output_limit: { bytes: 1GiB } }
          endless: { executable: sh, arguments: [-c, 'tr "\0" x < /dev/zero'], output_limit: { bytes: 30MiB }, grace: 1s }
          tell: { executable: sh, arguments: [-c, 'echo "$1"; echo "$API_TOKEN" | base64; echo "{\"key\":\"$API_TOKEN\"}"; echo "no: $API_TOKEN" >&2; exit 4', sh], params: { word: { positional: true } }, environment: { API_TOKEN: s3cr3t-t0ken }, retry: { rules: [{ exit_codes: [4], then: dead_letter }] } }
        """;

    [Fact(Timeout = 120_000)]
    public async Task Beyond_the_limit_the_middle_goes_where_the_type_says_so_and_head_and_tail_stay()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var id = await pipeline.SubmitAsync("cut");
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, EndReason.ExitCode, 3), (end.Status, end.Reason, end.ExitCode));

        var lines = await pipeline.LinesAsync(id);
        var gap = Assert.Single(pipeline.Progress(id).OfType<OutputGap>());
        Assert.Equal((751, 99_751, EndReason.OutputLimit), (gap.From, gap.To, gap.Reason));
        Assert.Equal([.. Enumerable.Range(1, 750), .. Enumerable.Range(99_752, 250)], lines.Select(line => (int)line.Seq));
        Assert.Equal(Enumerable.Range(1, 750).Select(number => number.ToString()), lines.Take(750).Select(line => line.Text));
        var tail = lines.Skip(750).Where(line => line.Stream == OutputStream.Stdout).Select(line => line.Text).ToList();
        Assert.Equal(Enumerable.Range(100_001 - tail.Count, tail.Count).Select(number => number.ToString()), tail);
        using var hash = new OutputHash();
        foreach (var line in lines)
            hash.Add(line);
        Assert.Equal((100_001, hash.ToString()), (end.Attempts[0].Lines, end.Attempts[0].Hash));

        var few = await pipeline.SubmitAsync("few");
        await pipeline.EndOfAsync(few);
        Assert.Equal(Enumerable.Range(1, 900).Select(number => number.ToString()), (await pipeline.LinesAsync(few)).Select(line => line.Text));
        Assert.Empty(pipeline.Progress(few).OfType<OutputGap>());
    }

    [Fact(Timeout = 120_000)]
    public async Task A_line_that_is_too_long_is_cut_with_a_mark_and_an_endless_one_reaches_the_limit()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var id = await pipeline.SubmitAsync("long");
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(id)).Status);
        var lines = await pipeline.LinesAsync(id);
        Assert.Equal("end", lines[^1].Text);
        Assert.Equal((20_000_000 - (16 << 20), true), (lines[^2].Cut!.Value, lines[^2].Last!.Value));
        Assert.Equal(16 << 20, lines.SkipLast(2).Sum(line => line.Text.Length));

        var endless = await pipeline.EndOfAsync(await pipeline.SubmitAsync("endless"));
        Assert.Equal((Status.Failed, EndReason.OutputLimit), (endless.Status, endless.Reason));
    }

    [Fact(Timeout = 120_000)]
    public async Task A_secret_is_nowhere_in_Kafka_and_never_an_argument()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var id = await pipeline.SubmitAsync("tell", new { word = "hello" });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, "no: ***"), (end.Status, end.Error));
        Assert.Equal(["hello", "***", "{\"key\":\"***\"}"], (await pipeline.LinesAsync(id)).Where(line => line.Stream == OutputStream.Stdout).Select(line => line.Text[..Math.Min(13, line.Text.Length)] is ['*', ..] ? "***" : line.Text));
        var outcome = await pipeline.RecordAsync<AttemptExited>(id);
        Assert.Equal("***", outcome.Event!.Value.GetProperty("key").GetString());
        foreach (var record in pipeline.Progress(id))
            Assert.DoesNotContain("s3cr3t", System.Text.Encoding.UTF8.GetString(TaskJson.Encode(record)), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cr3t", pipeline.Workers[0].Output, StringComparison.Ordinal);

        var shown = await pipeline.EndOfAsync(await pipeline.SubmitAsync("tell", new { word = "--key=s3cr3t-t0ken" }));
        Assert.Equal((Status.Failed, EndReason.SpawnFailed), (shown.Status, shown.Reason));
        Assert.DoesNotContain("s3cr3t", shown.Error, StringComparison.Ordinal);
    }
}
