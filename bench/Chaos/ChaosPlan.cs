namespace TaskPipeline.Bench.Chaos;

/// <summary>The load and the attacks of a run. The same seed and options give the same plan; the course of the run depends on the machine.</summary>
internal sealed record ChaosPlan(IReadOnlyList<PlannedTask> Tasks, IReadOnlyList<Attack> Attacks)
{
    private const int Projects = 8;
    private static readonly TimeSpan LoadPart = TimeSpan.FromSeconds(2);   // the end of a run without new tasks
    private static readonly TimeSpan BrokerReturns = TimeSpan.FromSeconds(20);

    private static readonly string[] Instant = ["plain", "plain", "plain", "plain", "failing", "retried", "forking", "single", "single", "exclusive"];
    private static readonly string[] Short = ["plain", "plain", "silent", "forking", "retried", "stubborn", "single", "exclusive"];
    private static readonly string[] Long = ["plain", "silent", "stubborn", "single"];

    /// <param name="brokers">How many brokers can be attacked.</param>
    public static ChaosPlan Of(int seed, int tasks, TimeSpan length, int workers, int brokers, bool isKafkaProxied) =>
        new([.. Load(new Random(seed), tasks, length)], [.. FaultInjector(new Random(seed + 1), length, workers, brokers, isKafkaProxied).Concat(BrokerKills(new Random(seed + 2), length, brokers)).OrderBy(attack => attack.At)]);

    private static IEnumerable<PlannedTask> Load(Random random, int count, TimeSpan length)
    {
        for (var number = 1; number <= count; number++)
        {
            var (types, tenths) = random.NextDouble() switch
            {
                < 0.80 => (Instant, 0),
                < 0.95 => (Short, random.Next(1, 11)),
                _ => (Long, random.Next(11, 101)),
            };
            yield return new PlannedTask($"chaos-{number}", random.GetItems(types, 1)[0], $"project-{random.Next(Projects)}", tenths)
            {
                At = (length - LoadPart) * ((double)number / count),
                StopAfter = random.NextDouble() < (tenths > 10 ? 0.4 : 0.05) ? TimeSpan.FromSeconds(random.NextDouble() * Math.Max(1, tenths / 10.0)) : null,
                IsDoubled = random.NextDouble() < 0.1,
            };
        }
    }

    private static IEnumerable<Attack> FaultInjector(Random random, TimeSpan length, int workers, int brokers, bool isKafkaProxied)
    {
        AttackKind[] kinds =
        [
            AttackKind.KillWorker, AttackKind.KillWorker, AttackKind.FreezeWorker, AttackKind.FreezeWorker, AttackKind.EndWorker,
            AttackKind.KillApi, AttackKind.FreezeApi, AttackKind.CutApi,
            .. brokers == 1 ? (AttackKind[])[AttackKind.KillBroker, AttackKind.FreezeBroker] : [],
            .. isKafkaProxied ? (AttackKind[])[AttackKind.CutKafka] : [],
        ];
        var brokersAreWell = TimeSpan.Zero;
        for (var at = Seconds(random, 3, 6); at < length; at += Seconds(random, 5, 15))
        {
            var kind = random.GetItems(kinds, 1)[0];
            if (kind is AttackKind.KillBroker or AttackKind.FreezeBroker && at < brokersAreWell)
                kind = AttackKind.KillWorker;   // it must be back first
            var lasts = kind switch
            {
                AttackKind.FreezeWorker or AttackKind.FreezeApi or AttackKind.FreezeBroker => Seconds(random, 1, 12),
                AttackKind.KillBroker => Seconds(random, 0, 3),
                _ => TimeSpan.Zero,
            };
            if (kind is AttackKind.KillBroker or AttackKind.FreezeBroker)
                brokersAreWell = at + lasts + BrokerReturns;
            var targets = kind switch
            {
                AttackKind.KillWorker or AttackKind.FreezeWorker or AttackKind.EndWorker => workers,
                AttackKind.KillBroker or AttackKind.FreezeBroker => brokers,
                _ => ChaosPipeline.Replicas,
            };
            yield return new Attack(at, kind, random.Next(targets), lasts);
        }
    }

    /// <summary>With several brokers, one is killed every half minute and is back in time for the next: the guarantees must hold with the others.</summary>
    private static IEnumerable<Attack> BrokerKills(Random random, TimeSpan length, int brokers)
    {
        for (var at = TimeSpan.FromSeconds(15); brokers > 1 && at < length; at += TimeSpan.FromSeconds(30))
            yield return new Attack(at, AttackKind.KillBroker, random.Next(brokers), Seconds(random, 1, 12));
    }

    private static TimeSpan Seconds(Random random, int least, int most) => TimeSpan.FromSeconds(least + (random.NextDouble() * (most - least)));
}

internal sealed record PlannedTask(string Id, string Type, string Project, int Tenths)
{
    /// <summary>Time since the beginning of the load.</summary>
    public TimeSpan At { get; init; }

    /// <summary>Time from its acceptance to its stop; null: nobody stops it.</summary>
    public TimeSpan? StopAfter { get; init; }

    /// <summary>Whether it is submitted to both replicas at once, and once more later.</summary>
    public bool IsDoubled { get; init; }
}

internal enum AttackKind
{
    KillWorker,
    FreezeWorker,
    EndWorker,
    KillApi,
    FreezeApi,
    CutApi,
    KillBroker,
    FreezeBroker,
    CutKafka,
}

/// <param name="Target">Index of the target, from 0.</param>
internal sealed record Attack(TimeSpan At, AttackKind Kind, int Target, TimeSpan Lasts)
{
    public override string ToString() => Kind switch
    {
        AttackKind.KillWorker => $"worker-{Target + 1} is killed",
        AttackKind.FreezeWorker => $"worker-{Target + 1} is frozen for {Lasts.TotalSeconds:0.0} s",
        AttackKind.EndWorker => $"worker-{Target + 1} is shut down",
        AttackKind.KillApi => $"api-{Target + 1} is killed",
        AttackKind.FreezeApi => $"api-{Target + 1} is frozen for {Lasts.TotalSeconds:0.0} s",
        AttackKind.CutApi => $"the connections of api-{Target + 1} are cut",
        AttackKind.KillBroker => $"broker {Target + 1} is killed, and restarted after {Lasts.TotalSeconds:0.0} s",
        AttackKind.FreezeBroker => $"broker {Target + 1} is frozen for {Lasts.TotalSeconds:0.0} s",
        _ => "the connections of Kafka are cut",
    };
}
