using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.Clients;

/// <summary>The command line as a person and a script use it: a process of its own, against an API and a worker with real agents.</summary>
public sealed class TaskpipeTests(TaskpipeScene scene) : IClassFixture<TaskpipeScene>
{
    private const int Timeout = 90_000;

    [Fact(Timeout = Timeout)]
    public async Task Submit_and_watch_print_what_the_agent_prints_and_take_its_exit_code()
    {
        var failed = await RunAsync("submit", "script", "-p", "script=echo out; echo '::task:progress {\"percent\":40}'; printf '\\033[31mred\\033[0m\\n' >&2; exit 7", "--label", "ticket=T-1", "--watch");
        Assert.Equal(7, failed.ExitCode);
        Assert.Contains("out", failed.Lines);
        Assert.Contains("red", failed.Lines);   // no terminal, no colours
        Assert.Contains(failed.Lines, line => line.StartsWith("-- failed with exit code 7", StringComparison.Ordinal) && line.Contains("3 lines, all verified", StringComparison.Ordinal));
        Assert.DoesNotContain(failed.Lines, line => line.Contains('\e', StringComparison.Ordinal));

        var sum = await RunAsync("submit", "add", "-p", "a=40", "-p", "b=2", "--key", "once");
        Assert.Equal(0, sum.ExitCode);
        var id = Assert.Single(sum.Lines);
        Assert.Equal([id], (await RunAsync("submit", "add", "-p", "b=2", "-p", "a=40", "--key", "once")).Lines);
        var stdout = await RunShellAsync($"\"$0\" watch {id} 2>/dev/null");
        Assert.Equal((0, "42 2"), (stdout.ExitCode, Assert.Single(stdout.Lines)));
        var replay = await RunAsync("replay", id, "-p", "b=60", "--watch");
        Assert.Equal(0, replay.ExitCode);
        Assert.Contains("100 2", replay.Lines);
        Assert.Equal(124, (await RunAsync("submit", "late", "--watch")).ExitCode);
    }

    [Fact(Timeout = Timeout)]
    public async Task With_json_every_line_is_an_object()
    {
        var submitted = Assert.Single((await RunAsync("submit", "script", "-p", "script=echo one; echo two >&2", "--json")).Json);
        var id = submitted.GetProperty("task_id").GetString()!;
        var watched = await RunAsync("watch", id, "--json");
        Assert.Equal(0, watched.ExitCode);
        Assert.Equal("hello", WatchClient.TypeOf(watched.Json[0]));
        Assert.Equal(("end", "succeeded"), (WatchClient.TypeOf(watched.Json[^1]), watched.Json[^1].GetProperty("status").GetString()));
        var cursor = watched.Json.First(told => WatchClient.TypeOf(told) == "lines").GetProperty("cursor").GetString()!;
        Assert.DoesNotContain((await RunAsync("watch", id, "--json", "--from", cursor)).Json, told => WatchClient.TypeOf(told) == "lines" && told.GetProperty("lines")[0].GetProperty("seq").GetInt32() == 1);

        Assert.Equal(["two"], (await RunAsync("output", id, "--json", "--stream", "stderr")).Json.Select(line => line.GetProperty("text").GetString()));
        Assert.Equal(id, (await RunAsync("show", id, "--json")).Json.Single().GetProperty("task_id").GetString());
        Assert.Contains(id, (await RunAsync("ls", "--json", "--status", "succeeded")).Json.Select(task => task.GetProperty("task_id").GetString()));
        Assert.Empty((await RunAsync("dead-letters", "--json")).Lines);
    }

    [Fact(Timeout = Timeout)]
    public async Task Files_go_to_an_agent_and_come_back_from_it()
    {
        var folder = Directory.CreateTempSubdirectory("taskpipeline-taskpipe-").FullName;
        try
        {
            var book = Path.Combine(folder, "a book.txt");
            await File.WriteAllTextAsync(book, "chapter one", TestContext.Current.CancellationToken);
            var copied = await RunAsync("submit", "copy", "-p", $"book=@{book}", "--watch");
            Assert.Equal(0, copied.ExitCode);
            var id = copied.Lines.First(line => line.StartsWith("task ", StringComparison.Ordinal))["task ".Length..];
            var listed = Assert.Single((await RunAsync("artifacts", id, "--json")).Json);
            Assert.Equal((1, "sub/a book.txt", 11), (listed.GetProperty("attempt").GetInt32(), listed.GetProperty("name").GetString(), listed.GetProperty("size").GetInt32()));
            var to = Path.Combine(folder, "back");
            var path = Assert.Single((await RunAsync("artifacts", id, "--to", to)).Lines);
            Assert.Equal(Path.Combine(to, "1", "sub", "a book.txt"), path);
            Assert.Equal("chapter one", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));

            var missing = await RunAsync("submit", "copy", "-p", "book=@/no/such/book");
            Assert.Equal(2, missing.ExitCode);
            Assert.Contains("/no/such/book", Assert.Single(missing.Lines), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_for_later_is_released_and_a_running_one_is_told_an_event()
    {
        var later = Assert.Single((await RunAsync("submit", "add", "-p", "a=1", "--delay", "1h")).Lines);
        Assert.Equal(0, (await RunAsync("release", later)).ExitCode);
        Assert.Equal(0, (await RunAsync("watch", later)).ExitCode);
        Assert.Equal(1, (await RunAsync("release", later)).ExitCode);

        var asks = Assert.Single((await RunAsync("submit", "asks")).Lines);
        await using var watch = Start("watch", asks);
        await watch.WaitForLineAsync("name?");
        var sent = Assert.Single((await RunAsync("emit", asks, "approved", """{"by":"Ada"}""", "--key", "once", "--json")).Json);
        Assert.Equal(sent.GetProperty("event_id").GetString(), Assert.Single((await RunAsync("emit", asks, "approved", """{"by":"Ada"}""", "--key", "once", "--json")).Json).GetProperty("event_id").GetString());
        await watch.WaitForLineAsync("event: approved");
        Assert.Equal(2, (await RunAsync("emit", asks, "approved", "Ada")).ExitCode);
        Assert.Equal(0, (await RunAsync("input", asks, "Ada")).ExitCode);
        Assert.Equal(0, await watch.WaitForExitAsync());
        Assert.Single(watch.Lines, line => line.Contains("event: approved", StringComparison.Ordinal));
    }

    [Fact(Timeout = Timeout)]
    public async Task Watch_without_an_id_shows_how_the_tasks_of_a_project_come_along()
    {
        await using var people = Start("watch", "--project", "default");
        await using var script = Start("watch", "--project", "default", "--json");
        await script.WaitForLineAsync("\"hello\"");
        await Eventually.TrueAsync("both watch", async () =>
        {
            await RunAsync("submit", "script", "-p", "script=echo '::task:progress {\"percent\":40}'; exit 7", "--project", "default");
            return people.Lines.Any(line => line.Contains("with exit code 7", StringComparison.Ordinal));
        }, TimeSpan.FromSeconds(60));
        Assert.Contains(people.Lines, line => line.Contains(" queued", StringComparison.Ordinal));
        Assert.Contains(people.Lines, line => line.Contains("40%", StringComparison.Ordinal));
        Assert.Contains(script.Lines.Select(line => JsonElement.Parse(line)), told => WatchClient.TypeOf(told) == "end" && told.GetProperty("exit_code").GetInt32() == 7);
        people.Signal(ChildProcess.IgnoresInterrupt ? PosixSignal.SIGTERM : PosixSignal.SIGINT);
        Assert.Equal(ChildProcess.IgnoresInterrupt ? 143 : 130, await people.WaitForExitAsync());
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_is_paused_resumed_typed_to_and_stopped()
    {
        var asks = Assert.Single((await RunAsync("submit", "asks")).Lines);
        await using (var watch = Start("watch", asks))
        {
            await watch.WaitForLineAsync("name?");
            Assert.Equal(0, (await RunAsync("pause", asks)).ExitCode);
            await watch.WaitForLineAsync("-- paused");
            Assert.Equal(0, (await RunAsync("resume", asks)).ExitCode);
            Assert.Equal(0, (await RunAsync("input", asks, "Ada")).ExitCode);
            await watch.WaitForLineAsync("got Ada");
            Assert.Equal(0, await watch.WaitForExitAsync());
            Assert.Contains("> Ada", watch.Lines);
        }
        var again = await RunAsync("input", asks, "Ada");
        Assert.Equal(1, again.ExitCode);
        Assert.StartsWith("taskpipe: ", Assert.Single(again.Lines), StringComparison.Ordinal);

        var silent = Assert.Single((await RunAsync("submit", "silent")).Lines);
        await using var follow = Start("output", silent, "--follow");
        await using var until = Start("watch", silent);
        await until.WaitForLineAsync("-- running");
        Assert.Equal(0, (await RunAsync("stop", silent, "--force", "--reason", "enough")).ExitCode);
        Assert.Equal(143, await until.WaitForExitAsync());
        Assert.Contains(until.Lines, line => line.Contains("enough", StringComparison.Ordinal));
        Assert.Equal(0, await follow.WaitForExitAsync());
        Assert.Equal(143, (await RunAsync("watch", silent)).ExitCode);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_interrupt_ends_the_watching_and_not_the_task()
    {
        var id = Assert.Single((await RunAsync("submit", "silent")).Lines);
        await using var watch = Start("watch", id);
        await watch.WaitForLineAsync("-- running");
        watch.Signal(ChildProcess.IgnoresInterrupt ? PosixSignal.SIGTERM : PosixSignal.SIGINT);
        Assert.Equal(ChildProcess.IgnoresInterrupt ? 143 : 130, await watch.WaitForExitAsync());
        Assert.Contains($"taskpipe stop {id}", watch.Lines[^1], StringComparison.Ordinal);
        Assert.Equal("running", (await RunAsync("show", id, "--json")).Json.Single().GetProperty("status").GetString());
        Assert.Equal(0, (await RunAsync("stop", id)).ExitCode);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_is_wrong_is_said_in_a_line_with_an_exit_code()
    {
        await RefusedAsync(2, "taskpipe show --help", "show");
        await RefusedAsync(2, "--tail is for watching one task", "watch", "--tail", "3");
        await RefusedAsync(2, "omit the ID", "watch", "nobody", "--project", "shop");
        await RefusedAsync(69, "--url or TASKPIPE_URL", "watch", "--url", "http://127.0.0.1:9");
        await RefusedAsync(2, "a is required", "submit", "add");
        await RefusedAsync(2, "must be one of", "submit", "nonsense");
        await RefusedAsync(2, "-p takes name=value, not 'a'", "submit", "add", "-p", "a");
        await RefusedAsync(2, "params.a must be a whole number", "submit", "add", "-p", "a=many");
        await RefusedAsync(2, "--delay takes a duration", "submit", "add", "-p", "a=1", "--delay", "soon");
        await RefusedAsync(2, "status must be one of", "ls", "--status", "asleep");
        await RefusedAsync(1, "There is no task 'nobody'", "watch", "nobody");
        await RefusedAsync(1, "There is no dead letter 'nobody'", "dead-letters", "redrive", "nobody");
        await RefusedAsync(69, "--url or TASKPIPE_URL", "ls", "--url", "http://127.0.0.1:9");
        await RefusedAsync(2, "begin with http://", "ls", "--url", "somewhere");
    }

    [Fact(Timeout = Timeout)]
    public async Task Output_that_nobody_reads_on_is_not_read_to_its_end_and_a_search_finds_its_lines()
    {
        var id = Assert.Single((await RunAsync("submit", "script", "-p", "script=i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo \"line $i of a long output, padded so that no pipe has room for it\"; done")).Lines);
        Assert.Equal(0, (await RunShellAsync($"\"$0\" watch {id} >/dev/null 2>&1")).ExitCode);
        Assert.Equal(["line 1 of a long output, padded so that no pipe has room for it", "141"], (await RunShellAsync($"\"$0\" output {id} | head -n 1; echo ${{PIPESTATUS[0]}}")).Lines);
        string[] found = [.. Enumerable.Range(19990, 10).Prepend(1999).Select(number => $"line {number} of a long output, padded so that no pipe has room for it")];
        // On stdout: where the machine has no time for so long that the connection is lost, taskpipe says so on stderr, and comes back.
        Assert.Equal(found, (await RunShellAsync($"\"$0\" output {id} --search 'LINE 1999' 2>/dev/null")).Lines);
        Assert.Equal(found, (await RunShellAsync($"\"$0\" output {id} --follow --search 'LINE 1999' 2>/dev/null")).Lines);
    }

    [Fact(Timeout = Timeout)]
    public async Task On_a_terminal_there_are_colours_and_a_bar_unless_they_are_not_wanted()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/script"), "needs script(1) for a terminal");
        // Work that takes a moment: what is over at once needs no bar.
        var script = Path.Combine(scene.Pipeline.Folder, "halfway.sh");
        await File.WriteAllTextAsync(script, "echo '::task:progress {\"percent\":50,\"step\":\"Half\"}'; sleep 1; echo wrong >&2; exit 3", TestContext.Current.CancellationToken);
        var shown = await RunShellAsync($"script -qec \"$0 submit script -p 'script=. {script}' --watch\" /dev/null", ("TERM", "xterm"));
        Assert.Equal(3, shown.ExitCode);
        Assert.Contains(shown.Lines, line => line.Contains("[############............]  50% Half", StringComparison.Ordinal));
        Assert.Contains(shown.Lines, line => line.Contains("\e[31mwrong\e[0m", StringComparison.Ordinal));
        Assert.DoesNotContain(shown.Lines, line => line.Contains("::task:", StringComparison.Ordinal));
        var id = shown.Lines[0].Trim()["task ".Length..];
        var plain = await RunShellAsync($"script -qec \"$0 watch {id}\" /dev/null", ("TERM", "xterm"), ("NO_COLOR", "1"));
        Assert.DoesNotContain(plain.Lines, line => line.Contains("\e[3", StringComparison.Ordinal));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_progress_bar_is_one_row_that_moves_and_a_search_finds_what_its_parts_have_between_them()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/script"), "needs script(1) for a terminal");
        // It stands still for so long that each state is published by itself.
        var script = Path.Combine(scene.Pipeline.Folder, "bar.sh");
        await File.WriteAllTextAsync(script, "printf '10%% nee'; sleep 0.7; printf 'dle\\r20%%'; sleep 0.7; printf '\\r30%%\\n'", TestContext.Current.CancellationToken);
        var id = Assert.Single((await RunAsync("submit", "script", "-p", $"script=. {script}")).Lines);
        Assert.Equal(0, (await RunAsync("watch", id)).ExitCode);

        Assert.Equal(["10% needle|20%|30%"], (await RunShellAsync($"\"$0\" watch {id} 2>/dev/null | tr '\\r' '|'")).Lines);
        Assert.Equal(["10% needle|20%|30%"], (await RunShellAsync($"\"$0\" output {id} --search needle | tr '\\r' '|'")).Lines);
        Assert.Equal(["10% needle|20%|30%"], (await RunShellAsync($"\"$0\" output {id} --search needle --follow | tr '\\r' '|'")).Lines);
        var shown = (await RunShellAsync($"script -qec \"$0 watch {id}\" /dev/null | tr '\\r' '|'", ("TERM", "xterm"), ("NO_COLOR", "1"))).Output;
        Assert.Contains("10% needle|\u001b[K20%|\u001b[K30%", shown, StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task Ages_are_by_the_servers_time()
    {
        var time = DateTimeOffset.UtcNow.AddHours(5);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var server = builder.Build();
        server.MapGet("/tasks", (HttpResponse answer) =>
        {
            answer.Headers.Date = time.ToString("R");
            return Results.Text($$"""{"tasks":[{"task_id":"my-1","project":"default","type":"say","status":"queued","attempt":0,"lines":0,"submitted_at":"{{time.AddMinutes(-7.5):O}}"}]}""", "application/json");
        });
        await server.StartAsync(TestContext.Current.CancellationToken);

        var listed = await RunAsync("ls", "--url", server.Urls.First());

        Assert.Equal((0, "7m"), (listed.ExitCode, listed.Lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[3]));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_shell_completes_commands_types_params_and_ids()
    {
        var id = Assert.Single((await RunAsync("submit", "add", "-p", "a=1")).Lines);
        Assert.Contains("watch", await SuggestAsync("taskpipe wa"));
        Assert.Equal(["add", "asks", "copy", "late", "script", "silent", "tools"], (await SuggestAsync("taskpipe submit ")).Where(word => !word.StartsWith('-') && !word.StartsWith('/')).Order());
        Assert.Contains("wipe", await SuggestAsync("taskpipe submit tools w"));
        Assert.Contains("a=", await SuggestAsync("taskpipe submit add -p "));
        Assert.Contains(id, await SuggestAsync("taskpipe stop "));
        foreach (var shell in new[] { "bash", "zsh", "fish" })
            Assert.Contains("[suggest:", string.Join('\n', (await RunAsync("completion", shell)).Lines), StringComparison.Ordinal);
        var completed = await RunShellAsync($"PATH=\"$(dirname \"$0\"):$PATH\"; eval \"$(taskpipe completion bash)\"; COMP_LINE='taskpipe s'; COMP_POINT=10; COMP_WORDS=(taskpipe s); COMP_CWORD=1; _taskpipe; echo \"${{COMPREPLY[@]}}\"");
        Assert.Equal("show stop submit", Assert.Single(completed.Lines));
    }

    private async Task<List<string>> SuggestAsync(string line) => [.. (await RunAsync($"[suggest:{line.Length}]", line)).Lines];

    private async Task RefusedAsync(int exitCode, string part, params string[] arguments)
    {
        var refused = await RunAsync(arguments);
        Assert.Equal(exitCode, refused.ExitCode);
        Assert.Contains(part, string.Join('\n', refused.Lines), StringComparison.Ordinal);
        Assert.StartsWith("taskpipe: ", refused.Lines[0], StringComparison.Ordinal);
        Assert.DoesNotContain(refused.Lines, line => line.Contains("   at ", StringComparison.Ordinal));
    }

    private ChildProcess Start(params string[] arguments) => ChildProcess.Start("taskpipe", arguments, Environment());

    private Task<Finished> RunAsync(params string[] arguments) => FinishAsync(Start(arguments));

    /// <summary>In a shell, where <c>$0</c> is taskpipe.</summary>
    private Task<Finished> RunShellAsync(string script, params (string Name, string Value)[] more) =>
        FinishAsync(ChildProcess.StartFile("bash", "bash", ["-c", script, BuildOutput.ProgramOf("taskpipe")], [.. Environment(), .. more.Select(variable => KeyValuePair.Create(variable.Name, (string?)variable.Value))]));

    private static async Task<Finished> FinishAsync(ChildProcess process)
    {
        await using (process)
            return new Finished(await process.WaitForExitAsync(), process.Lines);
    }

    private Dictionary<string, string?> Environment() => new() { ["TASKPIPE_URL"] = scene.Api.Address.ToString(), ["NO_COLOR"] = null };

    private sealed record Finished(int ExitCode, IReadOnlyList<string> Lines)
    {
        public string Output => string.Join('\n', Lines);

        public List<JsonElement> Json => [.. Lines.Select(line => JsonElement.Parse(line))];
    }
}

/// <summary>The API and the workers that all of these tests use: their tasks are their own.</summary>
public sealed class TaskpipeScene(TestBroker broker) : IAsyncLifetime
{
    private const string Catalogue = """
        types:
          script: { executable: sh, params: { script: { stdin: true, required: true } }, grace: 1s }
          asks:   { executable: sh, arguments: [-c, 'echo "name?"; read -r line; echo "got $line"'], input: true, grace: 1s }
          add:    { summary: Add, executable: sh, arguments: [-c, 'echo $(($1 + $2)) $#', sh], params: { a: { positional: true, type: integer, required: true }, b: { positional: true, type: integer, default: 1 } } }
          copy:   { executable: sh, arguments: [-c, 'mkdir "$TASK_ARTIFACTS/sub"; cp "$1" "$TASK_ARTIFACTS/sub/$(basename "$1")"', sh], params: { book: { type: file, positional: true, required: true } } }
          silent: { executable: sleep, arguments: ['1000'], grace: 1s }
          late:   { executable: sleep, arguments: ['1000'], time_limit: 300ms, grace: 1s }
          tools:
            commands:
              wipe: { executable: 'true', params: { disk: { option: --disk } } }
        """;

    internal TestPipeline Pipeline { get; private set; } = null!;

    internal ApiUnderTest Api { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Pipeline = await TestPipeline.StartAsync(broker, workers: 2, catalogue: Catalogue);
        Api = await ApiUnderTest.StartAsync(broker, Pipeline.Prefix, $"--Catalogue:File={Pipeline.CatalogueFile}", "--Kafka:Partitions=2", $"--Artifacts:Directory={Path.Combine(Pipeline.Folder, "artifacts")}");
    }

    public async ValueTask DisposeAsync()
    {
        await Api.DisposeAsync();
        await Pipeline.DisposeAsync();
    }
}
