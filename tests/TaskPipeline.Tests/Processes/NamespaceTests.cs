using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;
using Xunit;

namespace TaskPipeline.Tests.Processes;

/// <summary>Workers in different PID namespaces, as containers and CI jobs are, on one machine and below one control group.</summary>
public sealed class NamespaceTests
{
    private const int Timeout = 120_000;
    private const string Later = "Kafka at 127.0.0.1:1 does not answer yet";   // each 6 s
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    [Theory(Timeout = Timeout)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_worker_that_starts_leaves_the_agents_of_one_alone_that_it_cannot_see(bool isFirstApart, bool isSecondApart)
    {
        await using var first = await StartAsync(isFirstApart);
        await first.WriteLineAsync("run first 600000");
        await first.WaitForLineAsync("spawned first");
        await using (var second = await StartAsync(isSecondApart))
        {
            await second.WriteLineAsync("run second 600000");
            await second.WaitForLineAsync("spawned second");
            second.CloseInput();
            await second.WaitForLineAsync("ended second WorkerShutdown");
        }
        Assert.DoesNotContain(first.Lines, line => line.StartsWith("ended", StringComparison.Ordinal));
        await first.WriteLineAsync("stop");
        await first.WaitForLineAsync("ended first UserRequest");
    }

    [Fact(Timeout = Timeout)]
    public async Task A_worker_that_sees_the_processes_of_another_namespace_does_not_start()
    {
        await using var worker = await StartApartAsync("TaskWorker", mountsProc: false, "exec \"$0\"");
        Assert.Equal(78, await worker.WaitForExitAsync());
        Assert.Contains("/proc is missing, or belongs to another PID namespace", worker.Output, StringComparison.Ordinal);
    }

    [Theory(Timeout = Timeout)]
    [InlineData("\"$0\" & exec sleep 1000", true)]
    [InlineData("\"$0\" & wait", false)]
    [InlineData("exec \"$0\"", false)]
    public async Task A_worker_says_at_its_start_where_nobody_reaps(string first, bool says)
    {
        await using var worker = await StartApartAsync("TaskWorker", mountsProc: true, first);
        await worker.WaitForLineAsync(Later, MaxWait);
        await worker.WaitForLineAsync(Later, MaxWait, from: worker.Lines.Count);   // twice its interval, in which it has found out
        Assert.Equal(says, worker.Output.Contains("does not reap", StringComparison.Ordinal));
    }

    private static async Task<ChildProcess> StartAsync(bool isApart)
    {
        var worker = isApart ? await StartApartAsync("Bench", mountsProc: true, "exec \"$0\" \"$@\"", StormWorker.Name, "True") : ChildProcess.Start("Bench", [StormWorker.Name, "True"]);
        await worker.WaitForLineAsync("ready");
        return worker;
    }

    private static async Task<ChildProcess> StartApartAsync(string project, bool mountsProc, string script, params string[] arguments)
    {
        await using (var probe = ChildProcess.StartFile("unshare", "unshare", [.. Unshare(mountsProc), "true"]))
            Assert.SkipWhen(await probe.WaitForExitAsync() != 0, "this user may not make namespaces");
        return ChildProcess.StartFile("unshare", project, [.. Unshare(mountsProc), "sh", "-c", script, BuildOutput.ProgramOf(project), .. arguments], new Dictionary<string, string?>
        {
            ["Kafka__BootstrapServers"] = "127.0.0.1:1",
            ["Worker__ProjectConfigUrl"] = "http://127.0.0.1:1",
            ["Catalogue__File"] = Path.Combine(BuildOutput.Repository, "task-types.yaml"),
        });
    }

    private static string[] Unshare(bool mountsProc) => ["--pid", "--fork", "--kill-child", .. mountsProc ? ["--mount-proc"] : Array.Empty<string>()];
}
