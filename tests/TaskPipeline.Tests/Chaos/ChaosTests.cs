using System.Text.Json;
using TaskPipeline.Bench.Chaos;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Chaos;

public sealed class ChaosTests(TestBroker broker)
{
    private static readonly TimeSpan Length = TimeSpan.FromMinutes(10);

    [Fact]
    public void The_same_seed_gives_the_same_load_and_the_same_faults()
    {
        var plan = ChaosPlan.Of(7, 1000, Length, workers: 4, brokers: 3, isKafkaProxied: false);
        Assert.Equivalent(plan, ChaosPlan.Of(7, 1000, Length, workers: 4, brokers: 3, isKafkaProxied: false), strict: true);
        Assert.NotEqual(plan.Attacks, ChaosPlan.Of(8, 1000, Length, workers: 4, brokers: 3, isKafkaProxied: false).Attacks);
    }

    [Fact]
    public void The_fault_injector_attacks_everything_that_it_may_and_nothing_else()
    {
        var all = ChaosPlan.Of(7, 10, Length, workers: 4, brokers: 1, isKafkaProxied: true).Attacks;
        Assert.Equal(Enum.GetValues<AttackKind>(), all.Select(attack => attack.Kind).Distinct().Order());
        Assert.All(all.Zip(all.Skip(1)), pair => Assert.InRange((pair.Second.At - pair.First.At).TotalSeconds, 5, 15));

        var elsewhere = ChaosPlan.Of(7, 10, Length, workers: 4, brokers: 0, isKafkaProxied: false).Attacks;
        Assert.DoesNotContain(elsewhere, attack => attack.Kind is AttackKind.KillBroker or AttackKind.FreezeBroker or AttackKind.CutKafka);
    }

    [Fact]
    public void A_broker_is_left_alone_until_the_one_before_is_back()
    {
        var attacks = ChaosPlan.Of(7, 10, Length, workers: 4, brokers: 3, isKafkaProxied: false).Attacks.Where(attack => attack.Kind is AttackKind.KillBroker or AttackKind.FreezeBroker).ToList();
        Assert.True(attacks.Count > 2);
        Assert.All(attacks.Zip(attacks.Skip(1)), pair => Assert.True(pair.Second.At > pair.First.At + pair.First.Lasts));
    }

    [Fact(Timeout = 300_000)]
    public async Task A_short_run_loses_nothing()
    {
        Assert.SkipWhen(broker.IsEmbedded, TestBroker.NeedsKafka);
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc");
        await using var bench = ChildProcess.Start("Bench", ["chaos", "--json", "--tasks", "60", "--workers", "2", "--seconds", "15", "--seed", "5", "--bootstrap", broker.BootstrapServers]);

        var exitCode = await bench.WaitForExitAsync(TimeSpan.FromMinutes(4));

        Assert.True(exitCode == 0, bench.Output);
        var figures = bench.Lines.Where(line => line.StartsWith('{')).Select(line => JsonElement.Parse(line)).ToDictionary(figure => figure.GetProperty("metric").GetString()!, figure => figure.GetProperty("value").GetDouble());
        Assert.Equal(60, figures["chaos.accepted"]);
        foreach (var nothing in (string[])["lost", "ended_twice", "rerun_after_outcome", "overlaps", "processes_left"])
            Assert.Equal(0, figures[$"chaos.{nothing}"]);
    }
}
