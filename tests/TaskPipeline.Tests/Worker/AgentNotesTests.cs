using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Reading;
using TaskPipeline.TaskWorker.Reporting;
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
        Assert.Equal(expected is null ? [] : [expected.Trim()], Read(AgentParser.None, line).Select(note => $"{note.Name.ToString().ToLowerInvariant()} {note.Data.GetRawText()}"));

    [Fact]
    public void The_json_of_claude_tells_messages_tools_and_the_result()
    {
        var notes = Read(AgentParser.Claude,
            """{"type":"system","subtype":"init","session_id":"s-1","tools":["Bash"]}""",
            """{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"I look."},{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls"}}]},"session_id":"s-1"}""",
            """{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"a b"}]}}""",
            """{"type":"result","subtype":"success","is_error":false,"duration_ms":12,"num_turns":2,"result":"Two files.","session_id":"s-1","total_cost_usd":0.01,"usage":{"input_tokens":3}}""");
        Assert.Equal([NoteName.Message, NoteName.Tool, NoteName.Result], notes.Select(note => note.Name));
        Assert.Equal("""{"text":"I look."}""", notes[0].Data.GetRawText());
        Assert.Equal("""{"name":"Bash","input":{"command":"ls"}}""", notes[1].Data.GetRawText());
        Assert.Equal("""{"text":"Two files.","is_error":false,"subtype":"success","turns":2,"cost_usd":0.01,"usage":{"input_tokens":3},"session_id":"s-1"}""", notes[2].Data.GetRawText());
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
        Assert.Equal([NoteName.Tool, NoteName.Message, NoteName.Result, NoteName.Warning], notes.Select(note => note.Name));
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
        Assert.DoesNotContain(Read(parser, line), note => note.Name is NoteName.Result or NoteName.Tool);

    [Fact]
    public void A_marked_line_that_comes_in_parts_is_understood()
    {
        var notes = new AgentNotes(AgentParser.None, new SecretForms([]), TimeProvider.System);
        notes.Read(new OutputLine(1, OutputStream.Stdout, "::task:result {\"te", default, 1, false));
        notes.Read(new OutputLine(2, OutputStream.Stdout, "xt\":1}", default, 2, true));
        Assert.Equal("""{"text":1}""", notes.Result!.Value.GetRawText());
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
        var id = await pipeline.SubmitAsync("script", new { script = """echo begin; echo '::task:progress {"percent":50}'; echo '::task:result {"rows":500}'; echo end""" });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, """{"rows":500}"""), (end.Status, end.Result?.GetRawText()));
        Assert.Equal(["begin", """::task:progress {"percent":50}""", """::task:result {"rows":500}""", "end"], (await pipeline.LinesAsync(id)).Select(line => line.Text));
        var records = pipeline.Progress(id).ToList();
        var noted = records.OfType<AttemptNoted>().ToList();
        Assert.Equal([NoteName.Progress, NoteName.Result], noted.Select(record => record.Name).Order());
        foreach (var record in noted)
            Assert.True(records.FindIndex(other => other is OutputLines lines && lines.Lines.Any(line => line.Text.Contains(record.Data.GetRawText(), StringComparison.Ordinal))) < records.IndexOf(record));
    }

    private static List<Note> Read(AgentParser parser, params IReadOnlyList<string> lines)
    {
        var notes = new AgentNotes(parser, new SecretForms(["hunter2"]), TimeProvider.System);
        foreach (var line in lines)
            notes.Read(new OutputLine(1, OutputStream.Stdout, line, default));
        var found = new List<Note>();
        while (notes.Take(isLast: true) is { } note)
            found.Add(note);
        return found;
    }
}
