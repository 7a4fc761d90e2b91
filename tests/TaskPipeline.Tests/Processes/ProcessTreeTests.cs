using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Processes;

/// <summary>What becomes of an agent's processes, each with its marker alone and, where this machine has them, in a control group.</summary>
public sealed class ProcessTreeTests
{
    private const int Timeout = 60_000;
    private static readonly Lazy<Cgroups> Groups = new(() => new Cgroups(Options.Create(new WorkerOptions()), NullLogger<Cgroups>.Instance));

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_agent_that_follows_SIGTERM_ends_with_all_its_processes_and_the_receipt_says_so(bool inGroup)
    {
        using var agent = new AgentUnderTest("sleep 1000 & sleep 1000 & echo ready; wait", cgroup: Group(inGroup));
        await agent.UntilPrintedAsync("ready");
        agent.Stop();
        var exit = await agent.Exit;
        Assert.Equal((EndReason.UserRequest, "SIGTERM", AgentExit.Term, 3), (exit.Reason, exit.Signal, exit.EndedBy, exit.ProcessesEnded));
        Assert.InRange(exit.StopTime!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Equal(0, agent.Left);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_that_ignores_SIGTERM_is_killed_after_its_grace_with_its_daemons(bool inGroup)
    {
        using var agent = new AgentUnderTest(
            "trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo ready; while :; do sleep 0.1; done",
            AgentUnderTest.Limits(grace: 0.3), Group(inGroup));
        await agent.UntilPrintedAsync("ready");
        agent.Stop();
        var exit = await agent.Exit;
        Assert.Equal((EndReason.UserRequest, "SIGKILL", AgentExit.Kill), (exit.Reason, exit.Signal, exit.EndedBy));
        Assert.InRange(exit.StopTime!.Value, TimeSpan.FromSeconds(0.3), TimeSpan.FromSeconds(10));
        Assert.Equal(0, agent.Left);
    }

    [Fact(Timeout = Timeout)]
    public async Task Force_ends_a_grace_that_has_begun()
    {
        using var agent = new AgentUnderTest("trap '' TERM; echo ready; while :; do sleep 0.1; done", AgentUnderTest.Limits(grace: 3000));
        await agent.UntilPrintedAsync("ready");
        agent.Stop();
        agent.Stop(force: true);
        Assert.Equal(AgentExit.Kill, (await agent.Exit).EndedBy);
        Assert.Equal(0, agent.Left);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_stop_before_the_spawn_ends_it_and_one_after_the_exit_changes_nothing()
    {
        using var early = new AgentUnderTest("sleep 1000");
        early.Stop();
        Assert.Equal(EndReason.UserRequest, (await early.Exit).Reason);
        using var late = new AgentUnderTest("exit 3");
        var exit = await late.Exit;
        late.Stop(force: true);
        Assert.Equal((EndReason.ExitCode, 3, null, null), (exit.Reason, exit.ExitCode, exit.EndedBy, exit.StopTime));
    }

    [Fact(Timeout = Timeout)]
    public async Task One_that_is_stopped_before_it_may_begin_has_not_ended_by_itself_however_soon_its_process_does()
    {
        var mayBegin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var agent = new AgentUnderTest(
            "sleep 1000",
            mayBegin: mayBegin.Task,
            spawned: pid => SpinWait.SpinUntil(() => !File.Exists($"/proc/{pid}/cmdline"), AgentUnderTest.MaxWait));
        agent.Stop();
        mayBegin.SetResult();
        Assert.Equal(EndReason.UserRequest, (await agent.Exit).Reason);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_it_leaves_behind_is_ended_though_it_holds_its_output(bool inGroup)
    {
        using var agent = new AgentUnderTest("setsid sleep 1000 & (sleep 1000 &) ; echo done", cgroup: Group(inGroup));
        var exit = await agent.Exit;
        Assert.Equal((EndReason.ExitCode, 0, 2, null), (exit.Reason, exit.ExitCode, exit.ProcessesEnded, exit.EndedBy));
        Assert.Contains("done", agent.Output, StringComparison.Ordinal);
        Assert.Equal(0, agent.Left);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_storm_of_forks_is_ended(bool inGroup)
    {
        using var agent = new AgentUnderTest(
            "export S='[ $1 = 0 ] || setsid sh -c \"$S\" chain $(($1 - 1)) & exec sleep 1000'; sh -c \"$S\" chain 30",
            cgroup: Group(inGroup));
        await Eventually.TrueAsync("it has forked", () => agent.Left > 20, AgentUnderTest.MaxWait);
        agent.Stop(force: true);
        await agent.Exit;
        Assert.Equal(0, agent.Left);
    }

    [Fact(Timeout = Timeout)]
    public async Task In_a_control_group_a_process_that_clears_its_environment_is_found_too()
    {
        using var agent = new AgentUnderTest(
            "env -i setsid sleep 1000 </dev/null >/dev/null 2>&1 & while [ \"$(cat /proc/$!/comm)\" != sleep ]; do :; done",
            cgroup: Group(true));
        var exit = await agent.Exit;
        Assert.True(exit.ProcessesEnded >= 1);
        Assert.Equal(0, agent.Left);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task All_of_it_stands_still_while_it_is_paused_and_goes_on_afterwards(bool inGroup)
    {
        using var agent = new AgentUnderTest(
            "setsid sh -c 'while :; do echo x >> $F/child; sleep 0.01; done' & while :; do echo x >> $F/root; sleep 0.01; done",
            AgentUnderTest.Limits(seconds: 3600) with { Silence = TimeSpan.FromHours(1) },
            Group(inGroup));
        await Eventually.TrueAsync("both run", () => SizeOf(agent, "child") > 0 && SizeOf(agent, "root") > 0, AgentUnderTest.MaxWait);
        agent.Pause();
        await Eventually.TrueAsync("it is paused", () => agent.Pauses.Count == 1, AgentUnderTest.MaxWait);
        var (child, root) = (SizeOf(agent, "child"), SizeOf(agent, "root"));
        if (!inGroup)   // frozen by its group, a process is not marked as stopped
            Assert.All(
                RunMarker.ProcessesOf(agent.Marker),
                pid => Assert.True(StateOf(pid) is "T" or "D", "a shell sleeps in the kernel while its child is stopped before its exec"));
        agent.Pause();
        Assert.Equal((child, root), (SizeOf(agent, "child"), SizeOf(agent, "root")));
        agent.Resume();
        await Eventually.TrueAsync("both go on", () => SizeOf(agent, "child") > child && SizeOf(agent, "root") > root, AgentUnderTest.MaxWait);
        agent.Stop();
        Assert.Equal(AgentExit.Term, (await agent.Exit).EndedBy);
        Assert.Equal([true, false], agent.Pauses);
        Assert.Equal(0, agent.Left);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_paused_agent_can_be_stopped_and_follows_SIGTERM_as_any(bool inGroup)
    {
        using var agent = new AgentUnderTest("trap 'echo told > $F/told; exit 5' TERM; echo ready; while :; do sleep 0.01; done", cgroup: Group(inGroup));
        await agent.UntilPrintedAsync("ready");
        agent.Pause();
        await Eventually.TrueAsync("it is paused", () => agent.Pauses.Count == 1, AgentUnderTest.MaxWait);
        agent.Stop();
        var exit = await agent.Exit;
        Assert.Equal((EndReason.UserRequest, 5, AgentExit.Term), (exit.Reason, exit.ExitCode, exit.EndedBy));
        Assert.True(File.Exists(Path.Combine(agent.Folder, "told")));
        Assert.Equal(0, agent.Left);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_pause_before_the_spawn_counts_and_a_deadline_comes_all_the_same()
    {
        using var agent = new AgentUnderTest("while :; do sleep 0.05; done", AgentUnderTest.Limits() with { Deadline = DateTimeOffset.UtcNow.AddSeconds(2) });
        agent.Pause();
        Assert.Equal(EndReason.Deadline, (await agent.Exit).Reason);
        Assert.Equal([true], agent.Pauses);
        Assert.Equal(0, agent.Left);
    }

    [Fact]
    public void A_signal_reaches_no_process_that_is_not_the_one_meant()
    {
        using var foreign = System.Diagnostics.Process.Start("sleep", ["1000"]);
        Assert.False(Posix.SignalProcess(foreign.Id, Posix.Kill, () => false));
        Assert.False(foreign.HasExited);
        Assert.True(Posix.SignalProcess(foreign.Id, Posix.Kill, () => true));
        foreign.WaitForExit();
    }

    internal static AgentCgroup? Group(bool isWanted, TaskType? type = null)
    {
        if (!isWanted)
            return null;
        Assert.SkipUnless(Groups.Value.Folder.Length > 0, "this machine lets nobody make control groups");
        var group = Groups.Value.New();
        if (type is not null)
            group?.Limit(type);
        return group;
    }

    private static long SizeOf(AgentUnderTest agent, string file) =>
        new FileInfo(Path.Combine(agent.Folder, file)) is { Exists: true } found ? found.Length : 0;

    private static string StateOf(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        return stat.Substring(stat.LastIndexOf(')') + 2, 1);
    }
}
