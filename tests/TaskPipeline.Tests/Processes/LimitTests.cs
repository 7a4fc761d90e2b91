using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Processes;
using Xunit;

namespace TaskPipeline.Tests.Processes;

public sealed class LimitTests
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_is_silent_for_too_long_is_ended_and_one_that_prints_is_not()
    {
        var limits = AgentUnderTest.Limits() with { Silence = TimeSpan.FromSeconds(1) };
        using var silent = new AgentUnderTest("sleep 1000", limits);
        using var chatty = new AgentUnderTest("i=0; while [ $i -lt 15 ]; do i=$((i + 1)); echo $i; sleep 0.1; done", limits);
        Assert.Equal(EndReason.SilenceLimit, (await silent.Exit).Reason);
        Assert.Equal(EndReason.ExitCode, (await chatty.Exit).Reason);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_with_too_many_processes_is_ended(bool inGroup)
    {
        using var agent = new AgentUnderTest(
            "for i in 1 2 3 4 5 6 7 8; do setsid sleep 1000 & done; wait",
            AgentUnderTest.Limits() with { Processes = 5 }, ProcessTreeTests.Group(inGroup));
        var exit = await agent.Exit;
        Assert.Equal((EndReason.ProcessLimit, 9), (exit.Reason, exit.ProcessesEnded));
        Assert.Equal(0, agent.Left);
    }

    [Fact(Timeout = Timeout)]
    public async Task One_whose_workspace_holds_too_much_is_ended()
    {
        using var agent = new AgentUnderTest(
            "mkdir deep; i=0; while [ $i -lt 20 ]; do i=$((i + 1)); head -c 100000 /dev/zero > deep/$i; done; ln -s / everything; sleep 1000",
            AgentUnderTest.Limits() with { Disk = 1_000_000 });
        Assert.Equal(EndReason.DiskLimit, (await agent.Exit).Reason);
    }

    [Fact(Timeout = Timeout)]
    public async Task It_has_no_more_open_files_than_it_may()
    {
        using var agent = new AgentUnderTest("ulimit -n; ulimit -Hn", openFiles: 64);
        Assert.Equal(0, (await agent.Exit).ExitCode);
        Assert.Equal("64\n64\n", agent.Output);
    }

    [Fact(Timeout = Timeout)]
    public async Task On_a_terminal_it_keeps_its_colours_and_is_stopped_as_on_pipes()
    {
        using var agent = new AgentUnderTest(
            "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && printf '\\033[32mgreen\\033[0m\\n'; stty size; echo err >&2; sh -c : </dev/tty && echo controlled; "
                + "setsid sleep 1000 & sleep 1000",
            terminal: TerminalSize.Usual);
        await agent.UntilPrintedAsync("controlled");
        Assert.Equal("\u001b[32mgreen\u001b[0m\r\n50 200\r\nerr\r\ncontrolled\r\n", agent.Output);
        agent.Stop();
        Assert.Equal((EndReason.UserRequest, AgentExit.Term), await agent.Exit is var exit ? (exit.Reason, exit.EndedBy) : default);
        Assert.Equal(0, agent.Left);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_short_agent_on_a_terminal_loses_no_line()
    {
        using var agent = new AgentUnderTest("i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); echo line $i; done", terminal: TerminalSize.Usual);
        Assert.Equal(0, (await agent.Exit).ExitCode);
        Assert.Equal(Enumerable.Range(1, 1000).Select(n => $"line {n}"), agent.Output.Split("\r\n", StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_timer_does_not_run_while_it_is_paused()
    {
        var (due, later) = (new TaskCompletionSource(), new TaskCompletionSource());
        using var timer = new PausableTimer(TimeSpan.FromMilliseconds(300), due.SetResult, TimeProvider.System);
        timer.Pause();
        using var longer = new PausableTimer(TimeSpan.FromMilliseconds(600), later.SetResult, TimeProvider.System);
        await later.Task;
        Assert.False(due.Task.IsCompleted);
        timer.Resume();
        await due.Task;
    }

    [Fact]
    public void A_control_group_is_told_the_limits_of_the_type()
    {
        var folder = Path.Combine(Directory.CreateTempSubdirectory("taskpipeline-group-").FullName, "attempt");
        new AgentCgroup(folder, new HashSet<string> { "memory", "cpu", "pids" }).Limit(
            new TaskType { Name = "t", Executable = "sh", MemoryLimit = 1 << 20, CpuLimit = 1.5, ProcessLimit = 10 });
        Assert.Equal("1048576", File.ReadAllText(Path.Combine(folder, "memory.max")));
        Assert.Equal("1", File.ReadAllText(Path.Combine(folder, "memory.oom.group")));
        Assert.Equal("150000 100000", File.ReadAllText(Path.Combine(folder, "cpu.max")));
        Assert.Equal("640", File.ReadAllText(Path.Combine(folder, "pids.max")));
        Directory.Delete(Path.GetDirectoryName(folder)!, recursive: true);
    }
}
