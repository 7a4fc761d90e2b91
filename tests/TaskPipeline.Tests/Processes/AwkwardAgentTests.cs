using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Processes;

/// <summary>What agents do with their outputs and their time that a supervisor may trip over.</summary>
public sealed class AwkwardAgentTests
{
    private const int Timeout = 60_000;
    private const string UntilGate = "while [ ! -e \"$F/gate\" ]; do sleep 0.05; done";

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(int.Parse(Environment.GetEnvironmentVariable("AGENT_IDLE_SECONDS") ?? "2"));

    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_has_closed_its_outputs_lives_on_until_it_ends()
    {
        using var agent = new AgentUnderTest($"echo bye; exec >&- 2>&-; echo closed > \"$F/closed\"; {UntilGate}; exit 7");
        await Eventually.TrueAsync("it has closed them", () => File.Exists(Path.Combine(agent.Folder, "closed")), AgentUnderTest.MaxWait);
        Assert.False(agent.Exit.IsCompleted);
        await File.WriteAllTextAsync(Path.Combine(agent.Folder, "gate"), "", TestContext.Current.CancellationToken);
        Assert.Equal((EndReason.ExitCode, 7), await agent.Exit is var exit ? (exit.Reason, exit.ExitCode) : default);
        Assert.Equal("bye\n", agent.Output);
    }

    [Fact(Timeout = Timeout)]
    public async Task Two_megabytes_of_stderr_block_nothing()
    {
        using var agent = new AgentUnderTest("head -c 2000000 /dev/zero | tr '\\0' x >&2; echo end");
        Assert.Equal(0, (await agent.Exit).ExitCode);
        Assert.Equal(2_000_004, agent.Bytes.Length);
    }

    [Fact(Timeout = Timeout)]
    public async Task No_byte_of_an_output_is_changed()
    {
        using var agent = new AgentUnderTest(
            "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i + 1)); done; printf '\\377\\376a\\000\\r10%%\\r100%%'");
        Assert.Equal(0, (await agent.Exit).ExitCode);
        Assert.Equal([.. Enumerable.Range(0, 256).Select(value => (byte)value), 0xff, 0xfe, (byte)'a', 0, .. "\r10%\r100%"u8], agent.Bytes);
    }

    /// <summary>With <c>AGENT_IDLE_SECONDS=1800</c> it is half an hour, and takes as long.</summary>
    [Fact]
    public async Task An_idle_agent_is_not_ended_and_one_whose_silence_is_limited_is()
    {
        var script = $"sleep {Idle.TotalSeconds}; echo awake";
        using var idle = new AgentUnderTest(script);
        using var limited = new AgentUnderTest(script, AgentUnderTest.Limits() with { Silence = Idle / 2 });
        Assert.Equal(EndReason.SilenceLimit, (await limited.Exit).Reason);
        Assert.Equal(EndReason.ExitCode, (await idle.Exit).Reason);
        Assert.Equal("awake\n", idle.Output);
    }
}
