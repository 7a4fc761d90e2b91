using System.Diagnostics;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Processes;
using Xunit;

namespace TaskPipeline.Tests.Processes;

/// <summary>Whatever stands in front of a program, it hears of a stop, once, and has its grace to clean up.</summary>
public sealed class CleanUpTests
{
    private const int Timeout = 90_000;
    private const int Grace = 20;
    private static readonly string[] Fronts = ["bash", "timeout", "unbuffer", "npm"];

    // Notes each SIGTERM. It takes three seconds to clean up, with a program of its own, and none is left after its work. unbuffer's terminal goes with
    // unbuffer: who wants to clean up behind it must not end with that.
    private const string Program = """
        trap '' HUP
        cleanup() {
          echo told >> "$F/told"
          sleep 3 && echo clean > "$F/clean"
          exit 0
        }
        trap cleanup TERM
        echo ready
        while :; do sleep 0.05; done
        """;

    [Theory(Timeout = Timeout)]
    [InlineData("exec sh ./program", false)]
    [InlineData("sh ./program; echo after", false)]
    [InlineData("sh ./program; echo after", true)]
    [InlineData("(sh ./program; echo after); echo after that", false)]
    [InlineData("setsid sh ./program & wait", false)]
    [InlineData("setsid sh ./program & wait", true)]
    [InlineData("bash -c 'sh ./program & sleep 1000 & wait'", false)]
    [InlineData("exec timeout 600 sh ./program", false)]
    [InlineData("exec timeout 600 sh ./program", true)]
    [InlineData("timeout 600 sh ./program; echo after", true)]
    [InlineData("exec unbuffer sh ./program", false)]
    [InlineData("exec unbuffer sh ./program", true)]
    [InlineData("exec npm run --cache ./cache program", false)]
    [InlineData("exec npm run --cache ./cache program", true)]
    public async Task It_cleans_up_and_hears_of_the_end_once(string script, bool inGroup)
    {
        SkipWithout([.. Fronts.Where(tool => script.Contains($"{tool} ", StringComparison.Ordinal))]);
        using var agent = new AgentUnderTest(
            $"while [ ! -e go ]; do sleep 0.01; done; {script}", AgentUnderTest.Limits(grace: Grace), ProcessTreeTests.Group(inGroup));
        await File.WriteAllTextAsync(Path.Combine(agent.Folder, "program"), Program, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(agent.Folder, "package.json"),
            """{"scripts":{"program":"sh ./program"}}""",
            TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(agent.Folder, "go"), "", TestContext.Current.CancellationToken);
        await agent.UntilPrintedAsync("ready");
        agent.Stop();
        var exit = await agent.Exit;
        Assert.Equal((EndReason.UserRequest, AgentExit.Term, null), (exit.Reason, exit.EndedBy, exit.ProcessesKilled));
        Assert.True(File.Exists(Path.Combine(agent.Folder, "clean")), "it has cleaned up");
        Assert.Equal("told\n", await File.ReadAllTextAsync(Path.Combine(agent.Folder, "told"), TestContext.Current.CancellationToken));
        Assert.InRange(exit.StopTime!.Value, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(Grace));
        Assert.Equal(0, agent.Left);
    }

    /// <summary>
    /// Without its end an mp4 does not play. A second SIGTERM would keep ffmpeg from writing that, so <c>timeout</c> must not send two, as it does by itself
    /// unless it is in the foreground.
    /// </summary>
    [Theory(Timeout = Timeout)]
    [InlineData("exec {0}")]
    [InlineData("{0}; echo after")]
    [InlineData("exec timeout --foreground 600 {0}")]
    [InlineData("timeout --foreground 600 {0}; echo after")]
    public async Task A_film_that_is_being_made_plays_after_the_stop(string script)
    {
        SkipWithout("ffmpeg", "ffprobe", "timeout");
        const string Ffmpeg = "ffmpeg -nostdin -y -loglevel error -progress pipe:1 -f lavfi -i testsrc=size=1280x720:rate=30 -c:v mpeg4 film.mp4";
        using var agent = new AgentUnderTest(
            string.Format(System.Globalization.CultureInfo.InvariantCulture, script, Ffmpeg),
            AgentUnderTest.Limits(grace: Grace));
        await agent.UntilPrintedAsync("frame=3");
        agent.Stop();
        Assert.Equal(AgentExit.Term, (await agent.Exit).EndedBy);
        using var probe = Process.Start("ffprobe", ["-v", "error", Path.Combine(agent.Folder, "film.mp4")]);
        await probe.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, probe.ExitCode);
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_shell_that_waits_for_its_program_is_not_waited_for_in_vain(bool inGroup)
    {
        using var agent = new AgentUnderTest(
            "trap 'exit 5' TERM; echo ready; sleep 1000; sleep 1000",
            AgentUnderTest.Limits(grace: Grace), ProcessTreeTests.Group(inGroup));
        await agent.UntilPrintedAsync("ready");
        agent.Stop();
        var exit = await agent.Exit;
        Assert.Equal((5, AgentExit.Term), (exit.ExitCode, exit.EndedBy));
        Assert.InRange(exit.StopTime!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(Grace / 2));
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whose_parent_minds_the_signal_but_does_not_pass_it_on_is_told_when_half_of_the_grace_is_over(bool inGroup)
    {
        SkipWithout("perl");
        using var agent = new AgentUnderTest(
            """exec perl -e '$SIG{TERM} = sub {}; $| = 1; if (!fork) { $SIG{TERM} = "DEFAULT"; exec "sleep", "1000" } print "ready\n"; until (wait > 0) {}'""",
            AgentUnderTest.Limits(grace: 3),
            ProcessTreeTests.Group(inGroup));
        await agent.UntilPrintedAsync("ready");
        agent.Stop();
        var exit = await agent.Exit;
        Assert.Equal((0, AgentExit.Term), (exit.ExitCode, exit.EndedBy));
        Assert.True(exit.StopTime >= TimeSpan.FromSeconds(1.5));
    }

    [Theory(Timeout = Timeout)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_outlives_the_grace_of_an_agent_that_has_ended_is_killed_and_named(bool inGroup)
    {
        using var agent = new AgentUnderTest(
            "(trap '' TERM; exec sleep 1000) & setsid sleep 2000 & sleep 0.2; echo ready; wait",
            AgentUnderTest.Limits(grace: 0.5), ProcessTreeTests.Group(inGroup));
        await agent.UntilPrintedAsync("ready");
        agent.Stop();
        var exit = await agent.Exit;
        Assert.Equal(("SIGTERM", AgentExit.Kill), (exit.Signal, exit.EndedBy));
        Assert.Equal(["sleep"], exit.ProcessesKilled!);
        Assert.True(exit.StopTime >= TimeSpan.FromSeconds(0.5));
        Assert.Equal(0, agent.Left);
    }

    [Fact(Timeout = Timeout)]
    public async Task No_signal_is_ignored_that_the_worker_ignores()
    {
        SkipWithout("bash");
        using var agent = new AgentUnderTest("grep SigIgn /proc/self/status; bash -c 'yes | head -1; exit ${PIPESTATUS[0]}'");
        Assert.Equal(141, (await agent.Exit).ExitCode);
        Assert.Equal("SigIgn:\t0000000000000000\ny\n", agent.Output);
    }

    private static void SkipWithout(params string[] tools)
    {
        var executables = new Executables("");
        foreach (var tool in tools)
            Assert.SkipWhen(executables.Find(tool) is null, $"{tool} is not installed");
    }
}
