using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Processes;

/// <summary>Whoever is killed, nothing of an agent lives on. The workers here are those of the storm bench: reapers and agents without Kafka.</summary>
public sealed class AgentReaperTests
{
    private const int Timeout = 60_000;
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(20);

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_a_worker_is_killed_with_one_of_its_reapers_the_other_ends_its_agents(bool hasCgroups)
    {
        await using var worker = await StartAsync(hasCgroups);
        await RunAsync(worker, "first");
        Kill((await ReapersOfAsync(worker))[0]);
        worker.KillAlone();
        await Eventually.TrueAsync("nothing of the agent is left", () => CountOf("first", worker.Id) == 0, MaxWait);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_reaper_that_is_killed_is_replaced()
    {
        await using var worker = await StartAsync(hasCgroups: false);
        await RunAsync(worker, "second");
        var before = await ReapersOfAsync(worker);
        foreach (var pid in before)
            Kill(pid);
        await Eventually.TrueAsync("both are replaced", async () => (await ReapersOfAsync(worker)).Except(before).Count() == 2, MaxWait);
        worker.KillAlone();
        await Eventually.TrueAsync("nothing of the agent is left", () => CountOf("second", worker.Id) == 0, MaxWait);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_a_worker_and_both_its_reapers_have_left_is_ended_when_the_next_one_starts_and_nobody_elses()
    {
        await using var other = await StartAsync(hasCgroups: false);
        await RunAsync(other, "others");
        await using var worker = await StartAsync(hasCgroups: false);
        await RunAsync(worker, "third");
        foreach (var pid in await ReapersOfAsync(worker))
            Kill(pid);
        worker.KillAlone();
        await worker.WaitForExitAsync();
        await using var next = await StartAsync(hasCgroups: false);
        await Eventually.TrueAsync("nothing of the agent is left", () => CountOf("third", worker.Id) == 0, MaxWait);
        Assert.True(CountOf("others", other.Id) > 0);
    }

    [Fact(Timeout = Timeout)]
    public async Task When_the_whole_process_group_of_a_worker_is_killed_its_agents_end()
    {
        await using var worker = await ReadyAsync(ChildProcess.StartFile("setsid", "the worker", [BuildOutput.ProgramOf("Bench"), StormWorker.Name, "False"]));
        await RunAsync(worker, "fourth");
        worker.KillGroup();
        await Eventually.TrueAsync("nothing of the agent is left", () => CountOf("fourth", worker.Id) == 0, MaxWait);
    }

    private static Task<ChildProcess> StartAsync(bool hasCgroups) => ReadyAsync(ChildProcess.Start("Bench", [StormWorker.Name, hasCgroups.ToString()]));

    private static async Task<ChildProcess> ReadyAsync(ChildProcess worker)
    {
        await worker.WaitForLineAsync("ready");
        return worker;
    }

    private static async Task RunAsync(ChildProcess worker, string id)
    {
        await worker.WriteLineAsync($"run {id}-{worker.Id} 600000");
        await worker.WaitForLineAsync($"spawned {id}-{worker.Id}");
        await Eventually.TrueAsync("the agent has its processes", () => CountOf(id, worker.Id) > 5, MaxWait);
    }

    private static async Task<int[]> ReapersOfAsync(ChildProcess worker)
    {
        var seen = worker.Lines.Count;
        await worker.WriteLineAsync("reapers");
        return [.. (await worker.WaitForLineAsync("reapers ", from: seen)).Split(' ')[1..].Select(int.Parse)];
    }

    private static int CountOf(string id, int worker) =>
        Directory.EnumerateDirectories("/proc").Count(folder => int.TryParse(folder.AsSpan("/proc/".Length), out _) && EnvironOf(folder).Split('\0').Contains($"{StormWorker.Variable}={id}-{worker}"));

    private static string EnvironOf(string folder)
    {
        try
        {
            return File.ReadAllText(folder + "/environ");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static void Kill(int pid)
    {
        using var reaper = System.Diagnostics.Process.GetProcessById(pid);
        reaper.Kill();
    }
}
