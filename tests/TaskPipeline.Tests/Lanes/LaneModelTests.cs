using Xunit;

namespace TaskPipeline.Tests.Lanes;

public sealed class LaneModelTests
{
    private static readonly int Seeds = int.Parse(Environment.GetEnvironmentVariable("LANE_MODEL_SEEDS") ?? "3000");   // more for a longer search

    [Fact]
    public void Every_task_ends_once_and_no_finished_agent_runs_again_however_owners_die()
    {
        var spawns = 0;
        for (var seed = 0; seed < Seeds; seed++)
        {
            var model = new LaneModel(seed);
            var problems = model.Run();
            Assert.True(problems.Count == 0, $"seed {seed}: {string.Join("; ", problems)}\n{(problems.Count == 0 ? "" : model.Describe())}");
            spawns += model.Spawns;
        }
        Assert.True(spawns > Seeds * 6, $"only {spawns} agents were started");
    }

    /// <summary>A model that finds nothing wrong with a wrong protocol shows nothing.</summary>
    [Theory]
    [InlineData(nameof(LaneModelRules.CommittedFirst))]
    [InlineData(nameof(LaneModelRules.KeepsStory))]
    [InlineData(nameof(LaneModelRules.Snapshots))]
    [InlineData(nameof(LaneModelRules.ReadsBehindOpen))]
    public void What_is_left_out_of_the_protocol_is_noticed(string part)
    {
        var rules = new LaneModelRules(
            CommittedFirst: part != nameof(LaneModelRules.CommittedFirst),
            KeepsStory: part != nameof(LaneModelRules.KeepsStory),
            Snapshots: part != nameof(LaneModelRules.Snapshots),
            ReadsBehindOpen: part != nameof(LaneModelRules.ReadsBehindOpen));
        Assert.Contains(Enumerable.Range(0, Seeds), seed => new LaneModel(seed, rules).Run().Count > 0);
    }
}
