using System.Text.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using Xunit;

namespace TaskPipeline.Tests.Catalogue;

public sealed class CatalogueTests
{
    private static readonly string Folder = Path.GetTempPath();

    private const string Example = """
        types:
          report:
            summary: Make a report
            executable: ./bin/report
            arguments: [make]
            params:
              title: { option: --title, required: true, max_length: 20 }
              tag: { option: -t, separate: true, pattern: '[a-z]+' }
              pages: { option: --pages, type: integer, min: 1, max: 9, default: 3 }
              draft: { flag: --draft }
              style: { option: --style, choices: [plain, rich], default: plain }
              prompt: { option: --prompt, when_long: { pass: stdin, value: "-" } }
              file: { positional: true, type: path, under: data }
            time_limit: 90s
            output_limit: { lines: 1000, bytes: 1MiB }
            retry: { attempts: 3, final_exit_codes: [2] }
        """;

    [Fact]
    public void The_catalogue_of_the_repository_is_right_and_its_schema_knows_every_field()
    {
        var file = Path.Combine(BuildOutput.Repository, "task-types.yaml");
        var catalogue = TaskCatalogue.Parse(File.ReadAllText(file), BuildOutput.Repository);
        Assert.NotNull(catalogue.Find("seed-db", null));
        Assert.NotNull(catalogue.Find("task-context", "import-excel"));
        Assert.NotNull(catalogue.Find("agent", "run"));

        using var schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(BuildOutput.Repository, "docs", "task-types.schema.json")));
        var definitions = schema.RootElement.GetProperty("$defs");
        foreach (var (definition, entry) in ((string, string)[])
        [
            ("command", "CommandEntry"), ("param", "ParamEntry"), ("retry", "RetryEntry"), ("backoff", "BackoffEntry"), ("retry_rule", "RetryRuleEntry"), ("concurrency", "ConcurrencyEntry"),
        ])
            Assert.Equal(NamesOf(typeof(CatalogueFile).Assembly.GetType($"TaskPipeline.Shared.Catalogue.{entry}")!), PropertiesOf(definitions.GetProperty(definition)));
    }

    [Fact]
    public void The_examples_of_the_page_are_right()
    {
        var page = File.ReadAllText(Path.Combine(BuildOutput.Repository, "docs", "task-types.md"));
        var examples = page.Split("```yaml\n")[1..].Select(block => block.Split("```")[0]).ToList();
        Assert.True(examples.Count > 4);
        foreach (var example in examples)
            TaskCatalogue.Parse(example.StartsWith("types:", StringComparison.Ordinal) ? example : "types:\n" + example, Folder);
    }

    [Fact]
    public void What_a_type_says_of_when_and_how_often_it_runs()
    {
        var type = TaskCatalogue.Parse("""
            types:
              crawl:
                executable: x
                overlap: allow
                concurrency: { key: "crawl/{project}", limit: 2 }
                priority: low
                start_by: 10m
                deadline: 1d
                retry:
                  attempts: 5
                  on_lost: hold
                  backoff: { first: 200ms, factor: 3, max: 10s, jitter: 0 }
                  rules:
                    - { exit_codes: [75], signals: [SIGSEGV], reasons: [exit_code], event: { type: error, code: "7" }, then: dead_letter, class: transient }
            """, Folder).Find("crawl", null)!;

        Assert.Equal((Overlap.Allow, new ConcurrencyRule("crawl/{project}", 2), Priority.Low), (type.Overlap, type.Concurrency, type.Priority));
        Assert.Equal((TimeSpan.FromMinutes(10), TimeSpan.FromDays(1)), (type.StartBy, type.Deadline));
        Assert.Equal((5, OnLost.Hold, new Backoff(TimeSpan.FromMilliseconds(200), 3, TimeSpan.FromSeconds(10), 0)), (type.Retry.Attempts, type.Retry.OnLost, type.Retry.Backoff));
        var rule = Assert.Single(type.Retry.Rules);
        Assert.Equal((AfterFailure.DeadLetter, FailureClass.Transient), (rule.Then, rule.Class));
        Assert.Equal([75], rule.ExitCodes);
        Assert.Equal(["SIGSEGV"], rule.Signals);
        Assert.Equal([EndReason.ExitCode], rule.Reasons);
        Assert.Equal(new Dictionary<string, string?> { ["type"] = "error", ["code"] = "7" }, rule.Event);
    }

    [Fact]
    public void What_a_type_does_not_say_is_usual()
    {
        var type = TaskCatalogue.Parse("types: { a: { executable: x } }", Folder).Find("a", null)!;
        Assert.Equal((Overlap.Allow, null, Priority.Normal, null, null), (type.Overlap, type.Concurrency, type.Priority, type.StartBy, type.Deadline));
        Assert.Equal((1, 3, OnLost.Retry, new Backoff()), (type.Retry.Attempts, type.Retry.Lost, type.Retry.OnLost, type.Retry.Backoff));
    }

    [Theory]
    [InlineData("{ }", "{type}/{project}", 1, "copy/shop")]
    [InlineData("{ key: one, limit: 7 }", "one", 7, "one")]
    public void A_type_whose_tasks_exclude_each_other_does_not_overlap_itself_either(string concurrency, string key, int limit, string ofTask)
    {
        var type = TaskCatalogue.Parse($"types: {{ copy: {{ executable: x, concurrency: {concurrency} }} }}", Folder).Find("copy", null)!;
        Assert.Equal((Overlap.Never, new ConcurrencyRule(key, limit)), (type.Overlap, type.Concurrency));
        Assert.Equal(new Concurrency(ofTask, limit), type.Concurrency!.For(new TaskSubmission { TaskId = "t", Type = "copy", Project = "shop" }));
    }

    [Fact]
    public void Limits_of_time_count_from_when_the_task_may_run()
    {
        var type = TaskCatalogue.Parse("types: { a: { executable: x, start_by: 1m, deadline: 1h } }", Folder).Find("a", null)!;
        var (now, later) = (DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1));
        var atOnce = type.Complete(new TaskSubmission { TaskId = "t", Type = "a" }, now);
        Assert.Equal((now, now.AddMinutes(1), now.AddHours(1)), (atOnce.SubmittedAt, atOnce.StartBy, atOnce.Deadline));
        var delayed = type.Complete(new TaskSubmission { TaskId = "t", Type = "a", RunAt = later, Deadline = later.AddMinutes(5) }, now);
        Assert.Equal((later.AddMinutes(1), later.AddMinutes(5)), (delayed.StartBy, delayed.Deadline));
    }

    [Fact]
    public void Params_become_arguments_by_their_rules()
    {
        var arguments = Build("""{"title":"--all of it","tag":"x","draft":true}""");
        Assert.Equal(["make", "--title=--all of it", "-t", "x", "--pages=3", "--draft", "--style=plain"], arguments.Arguments);
        Assert.Null(arguments.Stdin);
    }

    [Fact]
    public void A_long_value_goes_by_stdin()
    {
        var prompt = new string('x', 40_000);
        var arguments = Build($$"""{"title":"t","prompt":"{{prompt}}"}""");
        Assert.Contains("--prompt=-", arguments.Arguments);
        Assert.Equal(prompt, arguments.Stdin);
    }

    [Theory]
    [InlineData("{}", "params.title is required")]
    [InlineData("""{"title":7}""", "params.title must be a string")]
    [InlineData("""{"title":"far too long for its limit"}""", "params.title must not be longer than 20 characters")]
    [InlineData("""{"title":"t","tag":"UP"}""", "params.tag must match [a-z]+")]
    [InlineData("""{"title":"t","tag":"-x"}""", "params.tag must match [a-z]+")]
    [InlineData("""{"title":"t","pages":0}""", "params.pages must be 1 to 9")]
    [InlineData("""{"title":"t","pages":1.5}""", "params.pages must be a whole number")]
    [InlineData("""{"title":"t","draft":"yes"}""", "params.draft must be true or false")]
    [InlineData("""{"title":"t","style":"loud"}""", "params.style must be one of plain, rich")]
    [InlineData("""{"title":"t","file":"/etc/passwd"}""", "params.file must be a relative path")]
    [InlineData("""{"title":"t","file":"a/../../b"}""", "params.file must be a relative path")]
    [InlineData("""{"title":"a\u0000b"}""", "params.title must not contain NUL")]
    [InlineData("""{"title":"t","colour":"red"}""", "params.colour report has no such param; it takes title, tag")]
    public void What_does_not_fit_is_named(string parameters, string expected)
    {
        var errors = Type().Validate(Params(parameters));
        Assert.StartsWith(expected, string.Join("; ", errors.Select(error => $"{error.Field} {error.Message}")), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_error_is_told_at_once() => Assert.Equal(3, Type().Validate(Params("""{"pages":100,"colour":"red"}""")).Count);

    [Theory]
    [InlineData("types: { a: { executable: x, colour: red } }", "line 1, column")]
    [InlineData("types: { a: { executable: x, colour: red } }", "unknown field 'colour'")]
    [InlineData("types: { a: { arguments: [x] } }", "types.a.executable is required")]
    [InlineData("types: { a: { executable: x, time_limit: soon } }", "types.a.time_limit must be a duration")]
    [InlineData("types: { a: { executable: x, params: { p: { } } } }", "types.a.params.p must have exactly one of flag, option, positional and stdin")]
    [InlineData("types: { a: { executable: x, params: { p: { option: 'rm -rf' } } } }", "'rm -rf' is not an option")]
    [InlineData("types: { a: { executable: x, params: { p: { positional: true, type: path } } } }", "names the project's folder")]
    [InlineData("types: { a: { executable: x, params: { p: { option: --p, type: integer, default: many } } } }", "types.a.params.p.default must be a whole number")]
    [InlineData("types: { a: { executable: x, params: { p: { option: --p, pattern: '(' } } } }", "is not a regular expression")]
    [InlineData("types: { a: { executable: x, overlap: sometimes } }", "types.a.overlap must be allow, never")]
    [InlineData("types: { a: { executable: x, priority: urgent } }", "types.a.priority must be high, normal, low")]
    [InlineData("types: { a: { executable: x, start_by: noon } }", "types.a.start_by must be a duration")]
    [InlineData("types: { a: { executable: x, deadline: 5 } }", "types.a.deadline must be a duration")]
    [InlineData("types: { a: { executable: x, concurrency: { limit: 0 } } }", "types.a.concurrency.limit must be 1 to 1000")]
    [InlineData("types: { a: { executable: x, concurrency: { key: '' } } }", "types.a.concurrency.key must have 1 to 200 characters")]
    [InlineData("types: { a: { executable: x, concurrency: { slots: 2 } } }", "unknown field 'slots'")]
    [InlineData("types: { a: { executable: x, terminal_size: { columns: 80 } } }", "types.a.terminal_size: only an agent with a terminal has a size, add terminal: true")]
    [InlineData("types: { a: { executable: x, terminal: true, terminal_size: { columns: 10 } } }", "types.a.terminal_size.columns must be 20 to 1000")]
    [InlineData("types: { a: { executable: x, terminal: true, terminal_size: { rows: 2000 } } }", "types.a.terminal_size.rows must be 5 to 1000")]
    [InlineData("types: { a: { executable: x, terminal: true, terminal_size: { lines: 20 } } }", "unknown field 'lines'")]
    [InlineData("types: { a: { executable: x, after_result: soon } }", "types.a.after_result must be a duration")]
    [InlineData("types: { a: { executable: x, retry: { attempts: 0 } } }", "types.a.retry.attempts must be 1 to 100")]
    [InlineData("types: { a: { executable: x, retry: { lost: 101 } } }", "types.a.retry.lost must be 1 to 100")]
    [InlineData("types: { a: { executable: x, retry: { on_lost: shrug } } }", "types.a.retry.on_lost must be retry, fail, hold")]
    [InlineData("types: { a: { executable: x, retry: { backoff: { first: 1 } } } }", "types.a.retry.backoff.first must be a duration")]
    [InlineData("types: { a: { executable: x, retry: { backoff: { factor: 0.5 } } } }", "types.a.retry.backoff.factor must be 1 to 100")]
    [InlineData("types: { a: { executable: x, retry: { backoff: { jitter: 2 } } } }", "types.a.retry.backoff.jitter must be 0 to 1")]
    [InlineData("types: { a: { executable: x, retry: { rules: [{ then: retry }] } } }", "types.a.retry.rules[0] matches everything")]
    [InlineData("types: { a: { executable: x, retry: { rules: [{ exit_codes: [1] }] } } }", "types.a.retry.rules[0].then must be retry, dead_letter, end")]
    [InlineData("types: { a: { executable: x, retry: { rules: [{ exit_codes: [1], then: give_up }] } } }", "types.a.retry.rules[0].then must be retry, dead_letter, end")]
    [InlineData("types: { a: { executable: x, retry: { rules: [{ reasons: [boredom], then: end }] } } }", "types.a.retry.rules[0].reasons must be exit_code")]
    [InlineData("types: { a: { executable: x, retry: { rules: [{ exit_codes: [1], then: end, class: theirs }] } } }", "types.a.retry.rules[0].class must be permanent, transient, terminated")]
    [InlineData("types: { 'a b': { executable: x } }", "a name is")]
    [InlineData("types: {}", "has no task types")]
    [InlineData("", "empty")]
    [InlineData("types: [", "line 1")]
    public void A_catalogue_that_is_wrong_says_where(string yaml, string expected)
    {
        var exception = Assert.Throws<CatalogueException>(() => TaskCatalogue.Parse(yaml, Folder));
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_hash_of_a_type_changes_with_anything_in_it()
    {
        var before = Type().Hash;
        Assert.Equal(before, Type().Hash);
        Assert.NotEqual(before, TaskCatalogue.Parse(Example.Replace("90s", "91s", StringComparison.Ordinal), Folder).Find("report", null)!.Hash);
        Assert.NotEqual(before, TaskCatalogue.Parse(Example.Replace("max: 9", "max: 8", StringComparison.Ordinal), Folder).Find("report", null)!.Hash);
    }

    [Fact]
    public void The_hash_of_a_type_without_newer_fields_stays()
    {
        // As it was before there were terminal_size and after_result: else every task that waits over an upgrade would look as if its type had changed.
        Assert.Equal("4f8f31cf6477baa7", TaskCatalogue.Parse("types: { a: { executable: x, params: { p: { positional: true } }, retry: { rules: [{ event: { type: error }, then: end }] } } }", Folder).Find("a", null)!.Hash);
    }

    [Fact]
    public void A_terminal_is_wide_and_may_have_another_size()
    {
        var catalogue = TaskCatalogue.Parse("types: { a: { executable: x, terminal: true }, b: { executable: x, terminal: true, terminal_size: { columns: 80 }, after_result: 30s } }", Folder);
        Assert.Equal((null, new TerminalSize(200, 50)), (catalogue.Find("a", null)!.TerminalSize, TerminalSize.Usual));
        Assert.Equal((new TerminalSize(80, 50), TimeSpan.FromSeconds(30)), (catalogue.Find("b", null)!.TerminalSize, catalogue.Find("b", null)!.AfterResult));
    }

    [Theory]
    [InlineData("arguments: [--], params: { p: { positional: true } }", "-x", true)]
    [InlineData("arguments: [run, --], params: { p: { positional: true, default: '-d' }, q: { stdin: true } }", "-x", true)]
    [InlineData("arguments: [run], params: { p: { positional: true } }", "-x", false)]
    [InlineData("arguments: [--, run], params: { p: { positional: true } }", "-x", false)]
    [InlineData("arguments: [--], params: { p: { positional: true }, f: { flag: --f } }", "-x", false)]
    [InlineData("arguments: [--], params: { p: { positional: true, when_long: { pass: file, option: --file } } }", "-x", false)]
    public void A_positional_may_begin_with_a_dash_where_it_stands_behind_dashes(string fields, string value, bool fits)
    {
        var type = TaskCatalogue.Parse($"types: {{ a: {{ executable: x, {fields} }} }}", Folder).Find("a", null)!;
        var given = Params($$"""{"p":"{{value}}"}""");
        Assert.Equal(fits ? [] : ["must not begin with a dash: the agent would read it as an option"], type.Validate(given).Select(error => error.Message));
        if (fits)
            Assert.Equal(["--", value], type.BuildArguments(given, new Dictionary<string, string>(), Folder).Arguments.TakeLast(2));
    }

    [Fact]
    public void An_executable_with_a_path_lies_beside_the_catalogue() => Assert.Equal(Path.Combine(Path.GetFullPath(Folder), "bin", "report"), Type().Executable);

    [Fact]
    public void JSON_is_a_catalogue_too() =>
        Assert.NotNull(TaskCatalogue.Parse("""{"types":{"a":{"commands":{"b":{"executable":"x"}}}}}""", Folder).Find("a", "b"));

    private static TaskType Type() => TaskCatalogue.Parse(Example, Folder).Find("report", null)!;

    private static AgentArguments Build(string parameters)
    {
        var given = Params(parameters);
        Assert.Empty(Type().Validate(given));
        return Type().BuildArguments(given, new Dictionary<string, string>(), Folder);
    }

    private static Dictionary<string, JsonElement> Params(string json) => JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(json)!;

    private static SortedSet<string> NamesOf(Type entry) => [.. entry.GetProperties().Select(property => JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name))];

    private static SortedSet<string> PropertiesOf(JsonElement definition) => [.. definition.GetProperty("properties").EnumerateObject().Select(property => property.Name)];
}
