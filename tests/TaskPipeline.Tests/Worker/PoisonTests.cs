using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What others write, and what agents print, ends no worker: it is set aside, or is only a line, and the tasks behind it run.</summary>
public sealed class PoisonTests(TestBroker broker)
{
    private const int Timeout = 120_000;

    private const string Catalogue = """
        types:
          say:      { executable: sh, arguments: [-c, 'echo "$1"', sh], params: { text: { positional: true, required: true } } }
          script:   { executable: sh, params: { script: { stdin: true, required: true } } }
          carry:    { executable: echo, params: { ballast: { option: --ballast, when_long: { pass: file } } } }
          parsed:   { executable: sh, params: { script: { stdin: true, required: true } }, parser: claude }
          retried:  { executable: sh, params: { script: { stdin: true, required: true } }, retry: { attempts: 3, backoff: { first: 50ms } } }
          patient:  { executable: sh, arguments: [-c, 'echo started; while [ ! -e "$1" ]; do sleep 0.05; done; echo released', sh], params: { file: { positional: true, required: true } } }
          careful:  { executable: sh, arguments: [-c, 'echo started; while [ ! -e "$1" ]; do sleep 0.05; done; echo released', sh], params: { file: { positional: true, required: true } }, overlap: never }
        """;

    public static TheoryData<string, string> Records => new()
    {
        { """{"task_id":"poison","type":"say","params":{"text":"half \ud800 a pair"}}""", "params.text" },
        { """{"task_id":"poison","type":"say","params":{"\udc00":"half a pair in a name"}}""", "params" },
        { """{"task_id":"poison","type":"say","params":{"text":"¤"}}""", "params.text" },              // ¤ stands for a byte that is not UTF-8
        { """{"task_id":"poison","type":"say","params":{"text":""" + Nested(62) + "}}", "params.text" },
        { """{"task_id":"poison","type":"say","labels":{"a":"\ud800"}}""", "labels.a" },
        { """{"task_id":"poison","type":"say","run_at":"9999-12-31T23:59:59Z","params":{"text":"late"},"concurrency":{"key":"k","limit":-1,"slot":-7}}""", "" },
        { """{"task_id":"poison","type":"say","attempt":2147483647}""", "attempt" },
        { "not JSON at all", "JSON" },
        { """["a list"]""", "" },
    };

    [Theory(Timeout = Timeout)]
    [MemberData(nameof(Records))]
    public async Task A_record_that_is_no_task_is_a_dead_letter_that_names_the_field_and_the_task_behind_it_runs(string record, string field)
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var pid = pipeline.Workers[0].Id;
        await ProduceAsync(pipeline, Bytes(record));
        var behind = await pipeline.SubmitAsync("say", new { text = "behind" });
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(behind)).Status);
        if (field.Length > 0)
            Assert.Contains(field, (await DeadLetterAsync(pipeline)).Error, StringComparison.Ordinal);
        Assert.Equal((pid, false), (pipeline.Workers[0].Id, pipeline.Workers[0].HasExited));
    }

    [Fact(Timeout = Timeout)]
    public async Task Of_a_large_record_that_nobody_can_read_the_dead_letter_has_the_beginning()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        await ProduceAsync(pipeline, Bytes("{" + new string('x', 1_700_000)));
        var letter = await DeadLetterAsync(pipeline);
        Assert.Equal((1_700_001, StateParts.Raw), (letter.RawBytes, letter.LeftOut!.Single()));
        Assert.StartsWith("{xxx", Encoding.UTF8.GetString(Convert.FromBase64String(letter.Raw!)), StringComparison.Ordinal);
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(await pipeline.SubmitAsync("say", new { text = "behind" }))).Status);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_larger_than_what_its_end_could_hold_is_a_dead_letter_that_says_so()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        await pipeline.SubmitAsync("carry", new { ballast = new string('x', 1_900_000) });
        Assert.Contains("bytes, and a task can have", (await DeadLetterAsync(pipeline)).Error, StringComparison.Ordinal);
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(await pipeline.SubmitAsync("say", new { text = "behind" }))).Status);
    }

    public static TheoryData<string, string> Lines => new()
    {
        { "script", Nested(64, "{\"a\":", "}") },
        { "script", """{"half":"\ud800"}""" },
        { "script", """::task:result {"half":"\udfff"}""" },
        { "script", "::task:result " + Nested(64) },
        { "script", "::task:warning {\"message\":" + Nested(64) + "}" },
        { "script", "::task:progress {\"percent\":4,\"step\":" + Nested(62) + "}" },
        { "script", "::task:artifact {\"name\":\"x\",\"" + new string('n', 30_000) + "\":" + Nested(63) + "}" },
        { "parsed", """{"type":"assistant","message":{"content":[{"type":"tool_use","name":"deep","input":""" + Nested(60) + "}]}}" },
        { "parsed", """{"type":"result","result":"half \ud83d","usage":""" + Nested(50) + "}" },
    };

    [Theory(Timeout = Timeout)]
    [MemberData(nameof(Lines))]
    public async Task A_line_that_records_cannot_hold_is_only_a_line(string type, string line)
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        var id = await pipeline.SubmitAsync(type, new { script = $"cat <<'EOF'\nfirst\n{line}\nEOF\n" });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 1), (end.Status, end.Attempt));
        Assert.Equal(["first", line], (await pipeline.LinesAsync(id)).Select(read => read.Text));
        Assert.Null(end.Result);
        Assert.False(pipeline.Workers[0].HasExited);
    }

    [Fact(Timeout = Timeout)]
    public async Task Files_of_many_attempts_do_not_keep_a_task_from_its_end()
    {
        const string ManyFiles = """
            types:
              messy: { executable: sh, params: { script: { stdin: true, required: true } }, retry: { attempts: 45, backoff: { first: 1ms, max: 1ms } } }
            """;
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: ManyFiles);
        // Two folders of 240 characters and a name: near what a name may have, 100 times, in each attempt.
        var script = """cd "$TASK_ARTIFACTS"; d=$(printf '%0240d' 0)/$(printf '%0240d' 0); mkdir -p "$d"; i=0; while [ $i -lt 100 ]; do i=$((i+1)); : > "$d/$i"; done; exit 1""";
        var id = await pipeline.SubmitAsync("messy", new { script });
        for (var attempt = 2; attempt <= 45; attempt++)
            await pipeline.PutBackAsync(id, attempt);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, 45, true), (end.Status, end.Attempt, end.DeadLettered));
        Assert.Contains(StateParts.Artifacts, end.LeftOut!);
        Assert.Equal(45, end.Attempts.Count);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_a_topic_does_not_take_is_left_out_of_the_end_and_the_lane_goes_on()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        if (await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker knows no settings of topics");
        await LimitAsync(pipeline, pipeline.Topics.State, 3000);
        var (gate, ids) = (Path.Combine(pipeline.Folder, "gate"), new List<string>());
        ids.Add(await pipeline.SubmitAsync("patient", new { file = gate }));
        await pipeline.LineAsync(ids[0], "started");
        for (var i = 0; i < 20; i++)
            ids.Add(await pipeline.SubmitAsync("say", new { text = $"small {i}" }));
        var large = await pipeline.SubmitAsync("script", new { script = $"echo '::task:result \"{Incompressible(4000)}\"'" });
        var larger = await pipeline.SubmitAsync("carry", new { ballast = new string('x', 5000) });
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        foreach (var id in ids)
            Assert.Equal((Status.Succeeded, null), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.LeftOut) : default);
        Assert.Contains(StateParts.Result, (await pipeline.EndOfAsync(large)).LeftOut!);
        var withoutParams = await pipeline.EndOfAsync(larger);
        Assert.Equal((Status.Succeeded, true, 0), (withoutParams.Status, withoutParams.LeftOut!.Contains(StateParts.Params), withoutParams.Task.Params.Count));
        Assert.False(pipeline.Workers[0].HasExited);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_end_that_cannot_be_written_is_named_and_written_when_it_can_be()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        if (await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker knows no settings of topics");
        var (gate, id) = (Path.Combine(pipeline.Folder, "gate"), await pipeline.SubmitAsync("patient", new { file = Path.Combine(pipeline.Folder, "gate") }, taskId: new string('i', 64)));
        await pipeline.LineAsync(id, "started");
        await LimitAsync(pipeline, pipeline.Topics.State, 500);   // holds the state of a lane, and no end
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        await pipeline.Workers[0].WaitForLineAsync(line => line.Contains("refuses the record of its end", StringComparison.Ordinal) && line.Contains(id, StringComparison.Ordinal), timeout: TestPipeline.MaxWait);
        Assert.Empty(pipeline.States(id));
        await LimitAsync(pipeline, pipeline.Topics.State, 2 * 1024 * 1024);
        Assert.Equal((Status.Succeeded, 1), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
        Assert.Single(pipeline.Progress(id).OfType<AttemptStarting>());
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(await pipeline.SubmitAsync("say", new { text = "behind" }))).Status);
        Assert.False(pipeline.Workers[0].HasExited);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_log_that_does_not_take_large_records_loses_lines_not_the_worker()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        if (await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker knows no settings of topics");
        await LimitAsync(pipeline, pipeline.Topics.Progress, 2000);
        var id = await pipeline.SubmitAsync("script", new { script = $"echo {Incompressible(5000)}; sleep 0.1; echo after; echo '::task:result \"{Incompressible(3000)}\"'; exit 3" });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, 3, null), (end.Status, end.ExitCode, end.Result?.ValueKind));
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(await pipeline.SubmitAsync("say", new { text = "behind" }))).Status);
        Assert.False(pipeline.Workers[0].HasExited);
    }

    [Theory(Timeout = Timeout)]
    [InlineData("patient")]
    [InlineData("careful")]
    public async Task A_copy_of_a_task_in_another_lane_is_not_a_second_task(string type)
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 2, lanes: 2, catalogue: Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var ids = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            var id = $"{type}-{i}";
            var record = JsonSerializer.Serialize(new { task_id = id, type, @params = new { file = gate } });
            await Task.WhenAll(pipeline.SubmitRawAsync(record, id, lane: i % 2), pipeline.SubmitRawAsync(record, id, lane: (i + 1) % 2));
            ids.Add(id);
        }
        foreach (var id in ids)
            Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(id)).Status);
        await DeadLettersAsync(pipeline, 20);
        foreach (var id in ids)
        {
            Assert.Single(pipeline.States(id));
            Assert.Single(pipeline.Progress(id).OfType<AttemptStarting>());
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task A_record_that_names_another_lane_is_not_that_task()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 2, catalogue: Catalogue);
        var id = TaskIds.New();
        var record = JsonSerializer.Serialize(new { task_id = id, type = "say", @params = new { text = "once" }, lane = 1 });
        await pipeline.SubmitRawAsync(record, id, lane: 0);
        await pipeline.SubmitRawAsync(record, id, lane: 1);
        Assert.Equal((Status.Succeeded, 1), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Lane) : default);
        var letter = await DeadLetterAsync(pipeline);
        Assert.Equal((0, true), (letter.Lane, letter.Error.Contains("an id is one task over all lanes", StringComparison.Ordinal)));
    }

    private static string Nested(int depth, string open = "[", string close = "]") =>
        string.Concat(Enumerable.Repeat(open, depth)) + (open == "[" ? "" : "1") + string.Concat(Enumerable.Repeat(close, depth));

    /// <summary>Kafka looks at the size of what was compressed.</summary>
    private static string Incompressible(int length) => Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(length))[..length].Replace('/', '-');

    /// <summary>A currency sign stands for a byte that is not UTF-8.</summary>
    private static byte[] Bytes(string record) => [.. record.Split('¤').Select(Encoding.UTF8.GetBytes).Aggregate((all, part) => [.. all, 0xE9, .. part])];

    private static async Task ProduceAsync(TestPipeline pipeline, byte[] value)
    {
        using var producer = pipeline.Cluster.OrderedProducer();
        await producer.ProduceAsync(new TopicPartition(pipeline.Topics.Tasks, 0), new Message<byte[]?, byte[]?> { Value = value });
    }

    private static async Task<DeadLetter> DeadLetterAsync(TestPipeline pipeline) => (await DeadLettersAsync(pipeline, 1))[0];

    private static async Task<IReadOnlyList<DeadLetter>> DeadLettersAsync(TestPipeline pipeline, int count)
    {
        using var consumer = pipeline.Cluster.TailConsumer(IsolationLevel.ReadCommitted, isUrgent: true);
        consumer.Assign(new TopicPartitionOffset(pipeline.Topics.DeadLetters, 0, Offset.Beginning));
        var letters = new List<DeadLetter>();
        await Eventually.TrueAsync($"there are {count} dead letters", () =>
        {
            while (consumer.Consume(TimeSpan.FromMilliseconds(50)) is { } result)
                if (!result.IsPartitionEOF && TaskJson.TryDecodeDeadLetter(result.Message.Value, out var letter, out _))
                    letters.Add(letter!);
            return letters.DistinctBy(letter => (letter.Lane, letter.Offset)).Count() >= count;
        }, TestPipeline.MaxWait);
        letters = [.. letters.DistinctBy(letter => (letter.Lane, letter.Offset))];   // one whose lane has moved may be set aside by both owners
        Assert.Equal(count, letters.Count);
        return letters;
    }

    private static async Task LimitAsync(TestPipeline pipeline, string topic, int bytes)
    {
        using var admin = pipeline.Cluster.Admin();
        await admin.IncrementalAlterConfigsAsync(new Dictionary<ConfigResource, List<ConfigEntry>>
        {
            [new ConfigResource { Type = ResourceType.Topic, Name = topic }] =
                [new ConfigEntry { Name = "max.message.bytes", Value = bytes.ToString(System.Globalization.CultureInfo.InvariantCulture), IncrementalOperation = AlterConfigOpType.Set }],
        });
    }
}
