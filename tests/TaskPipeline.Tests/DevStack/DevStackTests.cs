using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.DevStack;

public sealed class DevStackTests(TestBroker broker) : IDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("devstack-");

    [Fact(Timeout = 30_000)]
    public async Task Its_help_names_every_option()
    {
        await using var stack = ChildProcess.Start("DevStack", ["--help"]);

        Assert.Equal(0, await stack.WaitForExitAsync());
        Assert.All(["--port", "--workers", "--kafka", "--data", "--task-types"], option => Assert.Contains(option, stack.Output, StringComparison.Ordinal));
    }

    [Theory(Timeout = 30_000)]
    [InlineData("--port", "99999")]
    [InlineData("--port", "eighty")]
    [InlineData("--workers", "-1")]
    [InlineData("--kafka", "localhost")]
    [InlineData("--task-types", "/no/such/file.yaml")]
    [InlineData("--dance", "now")]
    public async Task A_bad_value_gets_one_clear_line_and_exit_code_2(string option, string value)
    {
        await using var stack = ChildProcess.Start("DevStack", [option, value]);

        Assert.Equal(2, await stack.WaitForExitAsync());
        Assert.Contains(option, Assert.Single(stack.Lines), StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_taken_port_is_named_with_the_process_that_has_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "which process has a port is told on Linux only");
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        await using var stack = ChildProcess.Start("DevStack", ["--port", $"{port}"]);

        Assert.Equal(1, await stack.WaitForExitAsync());
        var line = Assert.Single(stack.Lines);
        Assert.Contains($"port {port} is taken by process {Environment.ProcessId} ", line, StringComparison.Ordinal);
        Assert.Contains("--port 0", line, StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task It_runs_the_sample_import_and_ends_on_an_interrupt_within_5_seconds_leaving_no_process()
    {
        await using var stack = await StartAsync();
        using var http = new HttpClient { BaseAddress = await ApiOfAsync(stack) };
        using var body = new StringContent(await File.ReadAllTextAsync(Path.Combine(BuildOutput.Repository, "samples", "import-excel.json")), new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
        using var accepted = await http.PostAsync(new Uri("/tasks", UriKind.Relative), body);
        Assert.True(accepted.IsSuccessStatusCode, await accepted.Content.ReadAsStringAsync());
        var task = (await accepted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("links").GetProperty("self").GetString()!;
        await Eventually.TrueAsync("the import has succeeded", async () => (await http.GetFromJsonAsync<JsonElement>(task)).GetProperty("status").GetString() == "succeeded", MaxWait);
        var children = ChildrenOf(stack.Id);
        Assert.True(children.Count >= 4, $"broker, project-config, API and two workers, but {children.Count}");

        var asked = Stopwatch.GetTimestamp();
        stack.Signal(ChildProcess.IgnoresInterrupt ? PosixSignal.SIGTERM : PosixSignal.SIGINT);

        Assert.Equal(0, await stack.WaitForExitAsync());
        Assert.InRange(Stopwatch.GetElapsedTime(asked), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.All(children, child => Assert.False(IsRunning(child)));
    }

    [Fact(Timeout = 120_000)]
    public async Task A_worker_that_dies_is_started_again()
    {
        await using var stack = await StartAsync();
        var workers = await stack.WaitForLineAsync("worker-1 = process ", MaxWait);
        var first = int.Parse(workers.Split("worker-1 = process ")[1].Split(',')[0]);
        var seen = stack.Lines.Count;

        using (var worker = Process.GetProcessById(first))
            worker.Kill();

        await stack.WaitForLineAsync("worker-1 ended with exit code 137", MaxWait, from: seen);
        await stack.WaitForLineAsync(line => line.StartsWith("worker-1", StringComparison.Ordinal) && line.Contains("waits for tasks", StringComparison.Ordinal), MaxWait, from: seen);
    }

    [Fact(Timeout = 120_000)]
    public async Task When_it_is_killed_itself_everything_it_started_ends_too()
    {
        await using var stack = await StartAsync();
        await ApiOfAsync(stack);
        var children = ChildrenOf(stack.Id);

        stack.KillAlone();

        await Eventually.TrueAsync("all children have ended", () => !children.Any(IsRunning), MaxWait / 2);
    }

    public void Dispose() => _data.Delete(recursive: true);

    private async Task<ChildProcess> StartAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "looks for processes in /proc");
        string[] arguments = ["--port", "0", "--data", _data.FullName];
        if (broker.IsEmbedded)
            return ChildProcess.Start("DevStack", arguments);
        var settings = broker.Settings(await broker.NewPipelineAsync()).Select(setting => KeyValuePair.Create(setting.Key.Replace(":", "__", StringComparison.Ordinal), setting.Value));
        return ChildProcess.Start("DevStack", [.. arguments, "--kafka", broker.BootstrapServers], settings);
    }

    private static async Task<Uri> ApiOfAsync(ChildProcess stack)
    {
        var ready = stack.WaitForLineAsync("ready after", MaxWait);
        var page = stack.WaitForLineAsync("  API  ", MaxWait);
        await ready;
        return new Uri(new Uri((await page).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1]), "/");
    }

    private static List<int> ChildrenOf(int parent) =>
        [.. Directory.EnumerateDirectories("/proc").Select(folder => int.TryParse(Path.GetFileName(folder), out var id) ? id : 0).Where(id => id != 0 && StatusOf(id) is { } status && status.Parent == parent)];

    private static bool IsRunning(int id) => StatusOf(id) is { State: not 'Z' };

    private static (char State, int Parent)? StatusOf(int id)
    {
        try
        {
            // "ID (NAME) STATE PARENT …", where the name may hold anything
            var stat = File.ReadAllText($"/proc/{id}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (fields[0][0], int.Parse(fields[1]));
        }
        catch (IOException)
        {
            return null;   // it has ended
        }
    }
}
