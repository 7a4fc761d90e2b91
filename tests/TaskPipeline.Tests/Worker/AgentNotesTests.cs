using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What agents say of their work.</summary>
public sealed class AgentNotesTests(TestBroker broker)
{
    [Theory]
    [InlineData("""::task:progress {"percent": 40, "step": "Importing"}""", """progress {"percent": 40, "step": "Importing"}""")]
    [InlineData("""::task:group {"name":"Import"}""", """group {"name":"Import"}""")]
    [InlineData("""::task:warning {"message":"no unit","row":2}""", """warning {"message":"no unit","row":2}""")]
    [InlineData("""::task:artifact {"name":"report.md"}""", """artifact {"name":"report.md"}""")]
    [InlineData("""::task:result [1,2]""", """result [1,2]""")]
    [InlineData("""::task:result "a\u0068unter2" """, """result "a***" """)]
    [InlineData("""::task:progress {"percent": 101}""", null)]
    [InlineData("""::task:progress 40""", null)]
    [InlineData("""::task:progress {"done": 1}""", null)]
    [InlineData("""::task:unknown {"name":1}""", null)]
    [InlineData("""::task:result {"a":""", null)]
    [InlineData("""::task:result "\ud800" """, null)]
    [InlineData("""::warning::message""", null)]
    [InlineData(""" ::task:result 1""", null)]
    [InlineData("""{"type":"result","result":"x"}""", null)]
    public void Marked_lines_are_understood_and_all_others_are_only_lines(string line, string? expected) =>
        Assert.Equal(
            expected is null ? [] : [expected.Trim()],
            Read(AgentParser.None, line).Select(note => $"{note.Name.ToString().ToLowerInvariant()} {note.Data.GetRawText()}"));

    [Fact]
    public void The_json_of_claude_tells_messages_tools_and_the_result()
    {
        var notes = Read(AgentParser.Claude,
            """{"type":"system","subtype":"init","session_id":"s-1","tools":["Bash"]}""",
            """{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"I look."},"""
                + """{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls"}}]},"session_id":"s-1"}""",
            """{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"a b"}]}}""",
            """{"type":"result","subtype":"success","is_error":false,"duration_ms":12,"num_turns":"""
                + """2,"result":"Two files.","session_id":"s-1","total_cost_usd":0.01,"usage":{"input_tokens":3}}""");
        Assert.Equal([AgentEventName.Message, AgentEventName.Tool, AgentEventName.Result], notes.Select(note => note.Name));
        Assert.Equal("""{"text":"I look."}""", notes[0].Data.GetRawText());
        Assert.Equal("""{"name":"Bash","input":{"command":"ls"}}""", notes[1].Data.GetRawText());
        Assert.Equal(
            """{"text":"Two files.","is_error":false,"subtype":"success","turns":2,"cost_usd":0.01,"usage":{"input_tokens":3},"session_id":"s-1"}""",
            notes[2].Data.GetRawText());
    }

    [Fact]
    public void The_json_of_codex_tells_messages_tools_and_the_result()
    {
        var notes = Read(AgentParser.Codex,
            """{"type":"thread.started","thread_id":"th-1"}""",
            """{"type":"turn.started"}""",
            """{"type":"item.started","item":{"id":"i0","type":"command_execution","command":"ls","status":"in_progress"}}""",
            """{"type":"item.completed","item":{"id":"i0","type":"command_execution","command":"ls","aggregated_output":"a b","exit_code":0}}""",
            """{"type":"item.completed","item":{"id":"i1","type":"agent_message","text":"Two files."}}""",
            """{"type":"turn.completed","usage":{"input_tokens":3}}""",
            """{"type":"turn.failed","error":{"message":"quota"}}""");
        Assert.Equal([AgentEventName.Tool, AgentEventName.Message, AgentEventName.Result, AgentEventName.Warning], notes.Select(note => note.Name));
        Assert.Equal("""{"name":"command","input":"ls"}""", notes[0].Data.GetRawText());
        Assert.Equal("""{"text":"Two files.","usage":{"input_tokens":3}}""", notes[2].Data.GetRawText());
        Assert.Equal("""{"message":"quota"}""", notes[3].Data.GetRawText());
    }

    [Theory]
    [InlineData(AgentParser.Claude, """{"type":"assistant","message":"no"}""")]
    [InlineData(AgentParser.Claude, """{"type":"assistant","message":{"content":[1,null,{"type":"text"}]}}""")]
    [InlineData(AgentParser.Codex, """{"type":"item.started","item":[]}""")]
    [InlineData(AgentParser.Codex, """{"type":7}""")]
    [InlineData(AgentParser.Codex, """{not json}""")]
    [InlineData(AgentParser.Codex, """{"type":"turn.failed","error":{"message":"\ud800"}}""")]
    public void Json_of_another_form_breaks_nothing(AgentParser parser, string line) =>
        Assert.DoesNotContain(Read(parser, line), note => note.Name is AgentEventName.Result or AgentEventName.Tool);

    [Fact]
    public void A_marked_line_that_comes_in_parts_is_understood()
    {
        var notes = new AgentNotes(AgentParser.None, new SecretForms([]), TimeProvider.System);
        notes.Read(new OutputLine(1, OutputStream.Stdout, "::task:result {\"te", default, 1, false));
        notes.Read(new OutputLine(2, OutputStream.Stdout, "xt\":1}", default, 2, true));
        Assert.Equal("""{"text":1}""", notes.Result!.Value.GetRawText());
    }

    [Theory]
    [InlineData("x", 65_534, 1)]
    [InlineData("é", 32_767, 2)]
    [InlineData("🎉", 16_383, 4)]
    [InlineData("\\ud83c\\udf89", 16_383, 4)]   // the same character, escaped by who wrote it
    public void A_result_may_have_64_KiB_whatever_its_characters(string character, int count, int bytes)
    {
        Assert.True((count * bytes) + 2 <= 65_536 && ((count + 1) * bytes) + 2 > 65_536);
        var notes = NotesOf("""::task:result "first" """, $"::task:result \"{Times(character, count)}\"");
        Assert.Equal((count * bytes, false), (System.Text.Encoding.UTF8.GetByteCount(notes.Result!.Value.GetString()!), notes.IsResultLeftOut));

        var more = NotesOf("""::task:result "first" """, $"::task:result \"{Times(character, count + 1)}\"");
        Assert.Equal((null, true), (more.Result?.GetRawText(), more.IsResultLeftOut));
        var warning = Taken(more)[^1];
        Assert.Equal(AgentEventName.Warning, warning.Name);
        Assert.True(warning.Data.GetProperty("result_left_out").GetBoolean());
        Assert.Contains($"{((count + 1) * bytes) + 2} bytes", warning.Data.GetProperty("message").GetString(), StringComparison.Ordinal);

        more.Read(new OutputLine(3, OutputStream.Stdout, "::task:result 3", default));
        Assert.Equal(("3", false), (more.Result?.GetRawText(), more.IsResultLeftOut));
    }

    [Fact]
    public void A_result_beyond_what_is_read_of_a_line_is_left_out_too()
    {
        var notes = new AgentNotes(AgentParser.None, new SecretForms([]), TimeProvider.System);
        notes.Read(new OutputLine(1, OutputStream.Stdout, "::task:result 1", default));
        List<string> parts = ["::task:result \"", .. Enumerable.Repeat(new string('x', 30_000), 40), "\""];
        for (var part = 1; part <= parts.Count; part++)
            notes.Read(new OutputLine(part + 1, OutputStream.Stdout, parts[part - 1], default, part, part == parts.Count));
        Assert.Equal((null, true), (notes.Result?.GetRawText(), notes.IsResultLeftOut));
    }

    [Fact]
    public void Other_words_count_their_bytes_too()
    {
        Assert.Single(Read(AgentParser.None, $$"""::task:warning {"message":"{{Times("🎉", 4092)}}"}"""));   // 16,384 bytes with what is around it
        Assert.Empty(Read(AgentParser.None, $$"""::task:warning {"message":"{{Times("🎉", 4093)}}"}"""));
        var result = Read(AgentParser.Claude, $$"""{"type":"result","is_error":false,"result":"{{Times("🎉", 7500)}}"}""");
        Assert.Equal(15_000, Assert.Single(result).Data.GetProperty("text").GetString()!.Length);
    }

    [Fact]
    public void The_event_is_the_last_json_line_also_in_parts_and_of_a_large_one_its_small_members()
    {
        var notes = NotesOf("""{"type":"first"}""", "no json");
        Assert.Equal("""{"type":"first"}""", notes.Event!.Value.GetRawText());
        var (head, large) = ($$"""{"type":"error","hint":"hunter2","log":"{{new string('x', 20_000)}}""", new string('y', 30_000));
        notes.Read(new OutputLine(3, OutputStream.Stdout, head, default, 1, false));
        notes.Read(new OutputLine(4, OutputStream.Stderr, "between", default));
        notes.Read(new OutputLine(5, OutputStream.Stdout, large + "\",\"code\":7}", default, 2, true));
        Assert.Equal(50_000, notes.Event!.Value.GetProperty("log").GetString()!.Length);
        Assert.Equal(("***", 7), (notes.Event!.Value.GetProperty("hint").GetString(), notes.Event!.Value.GetProperty("code").GetInt32()));

        notes.Read(new OutputLine(6, OutputStream.Stdout, head, default, 1, false));
        for (var part = 2; part < 5; part++)
            notes.Read(new OutputLine(5 + part, OutputStream.Stdout, large, default, part, false));
        notes.Read(new OutputLine(11, OutputStream.Stdout, "\",\"code\":8}", default, 5, true));
        Assert.Equal("""{"type":"error","hint":"***","code":8}""", notes.Event!.Value.GetRawText());
    }

    [Theory]
    [InlineData("""{"type":"result","is_error":true,"result":"x"}""", true)]
    [InlineData("""{"type":"result","is_error":false,"result":"x"}""", false)]
    [InlineData("""::task:result {"is_error":true}""", true)]
    [InlineData("""::task:result 1""", false)]
    public void A_result_may_say_that_it_is_an_error(string line, bool isError)
    {
        DateTimeOffset? given = null;
        var notes = new AgentNotes(AgentParser.Claude, new SecretForms([]), TimeProvider.System) { GaveResult = at => given = at };
        notes.Read(new OutputLine(1, OutputStream.Stdout, line, DateTimeOffset.UnixEpoch));
        Assert.Equal((isError, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch), (notes.IsError, notes.ResultAt!.Value, given!.Value));
    }

    [Fact]
    public void Much_progress_is_told_now_and_then_and_at_the_end()
    {
        var notes = new AgentNotes(AgentParser.None, new SecretForms([]), TimeProvider.System);
        var told = new List<Note>();
        for (var percent = 0; percent <= 100; percent++)
        {
            notes.Read(new OutputLine(percent + 1, OutputStream.Stdout, $$"""::task:progress {"percent":{{percent}}}""", default));
            if (notes.Take() is { } note)
                told.Add(note);
        }
        if (notes.Take(isLast: true) is { } last)
            told.Add(last);
        Assert.InRange(told.Count, 2, 50);
        Assert.Equal(100, told[^1].Data.GetProperty("percent").GetInt32());
    }

    [Fact(Timeout = 120_000)]
    public async Task An_agents_words_are_in_the_log_behind_their_lines_and_its_result_in_the_state()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1);
        var id = await pipeline.SubmitAsync(
            "script",
            new { script = """echo begin; echo '::task:progress {"percent":50}'; echo '::task:result {"rows":500}'; echo end""" });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, """{"rows":500}"""), (end.Status, end.Result?.GetRawText()));
        Assert.Equal(
            ["begin", """::task:progress {"percent":50}""", """::task:result {"rows":500}""", "end"],
            (await pipeline.LinesAsync(id)).Select(line => line.Text));
        var records = pipeline.Progress(id).ToList();
        var reported = records.OfType<AgentEvent>().ToList();
        Assert.Equal([AgentEventName.Progress, AgentEventName.Result], reported.Select(record => record.Name).Order());
        foreach (var record in reported)
        {
            var data = record.Data.GetRawText();
            var printed = records.FindIndex(other => other is OutputLines lines && lines.Lines.Any(line => line.Text.Contains(data, StringComparison.Ordinal)));
            Assert.True(printed < records.IndexOf(record));
        }
    }

    private static string Times(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    private static AgentNotes NotesOf(params IReadOnlyList<string> lines) => NotesOf(AgentParser.None, lines);

    private static AgentNotes NotesOf(AgentParser parser, IReadOnlyList<string> lines)
    {
        var notes = new AgentNotes(parser, new SecretForms(["hunter2"]), TimeProvider.System);
        foreach (var line in lines)
            notes.Read(new OutputLine(1, OutputStream.Stdout, line, default));
        return notes;
    }

    private static List<Note> Read(AgentParser parser, params IReadOnlyList<string> lines) => Taken(NotesOf(parser, lines));

    private static List<Note> Taken(AgentNotes notes)
    {
        var found = new List<Note>();
        while (notes.Take(isLast: true) is { } note)
            found.Add(note);
        return found;
    }
}
