using TaskPipeline.Bench.Chaos.Checking;
using TaskPipeline.Bench.Driving;

namespace TaskPipeline.Bench.Chaos;

/// <summary>A load of mixed tasks on a pipeline under attack, and the proof that no task was lost, ended twice or was run again without a reason.</summary>
internal sealed class ChaosBench : Benchmark
{
    private const int MostShownOfAKind = 5;
    private const int MostRecords = 20;
    private static readonly TimeSpan Standstill = TimeSpan.FromSeconds(60);   // without an end of any task; a task that has not ended by then is lost
    private static readonly TimeSpan LastProcesses = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LastEvents = TimeSpan.FromSeconds(45);     // the client of a frozen replica is noticed and replaced within this time
    private static readonly TimeSpan LastRecords = TimeSpan.FromSeconds(60);

    public override string Name => "chaos";

    public override string Summary => "kills, freezes and cuts off programs under a load of mixed tasks, and proves that each task has exactly one end";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--tasks", "N", "1000", "tasks of the load"),
        new("--workers", "N", "4", "workers"),
        new("--brokers", "1|3", "1", "brokers of a Kafka that is started for the run"),
        new("--seconds", "S", "120", "duration of load and attacks; after it, tasks must continue to end until all have ended"),
        new("--poison", "N", "0", "odd records per second in every topic, during the load"),
        new("--seed", "X", "", "seed of load and attacks; default: random, and printed"),
        new("--bootstrap", "HOST:PORT", "", "the same as --kafka"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        var tasks = run.Arguments.Number("--tasks", 1, 1_000_000);
        var workers = run.Arguments.Number("--workers", 1, 32);
        var brokers = run.Arguments.Number("--brokers", 1, 3);
        var length = TimeSpan.FromSeconds(run.Arguments.Number("--seconds", 5, 86_400));
        var seed = run.Arguments.Text("--seed").Length > 0 ? run.Arguments.Number("--seed", 0, int.MaxValue - 1000) : Random.Shared.Next(1_000_000);
        var poison = run.Arguments.Number("--poison", 0, 1000);
        if (brokers == 2)
            throw new BadUsageException("--brokers must be 1 or 3: with two, neither can be attacked");
        if (!OperatingSystem.IsLinux())
            throw new BenchException("finding remaining processes needs /proc of Linux");
        run.Say($"seed {seed}");

        await using var broker = await BenchBroker.StartAsync(run, run.Arguments.Text("--bootstrap") is { Length: > 0 } address ? address : null, brokers, isProxied: true);
        if (broker.IsEmbedded)
            throw new BenchException("the embedded broker has no transactions, so the guarantees cannot be proved; set a real Kafka with --kafka");
        var plan = ChaosPlan.Of(seed, tasks, length, workers, broker.Breakable, broker.Proxy is not null);
        var folder = Directory.CreateTempSubdirectory("taskpipeline-chaos-").FullName;
        Evidence evidence;
        try
        {
            evidence = await RunAsync(run, broker, plan, folder, workers, poison, seed, length);
        }
        catch (BenchException)
        {
            run.Say($"logs are kept in {folder} and {await broker.KeepAsync()}");
            throw;
        }
        catch (OperationCanceledException)
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
        var findings = Checker.Check(evidence);
        if (findings.Count == 0)
            Directory.Delete(folder, recursive: true);
        else
        {
            run.HasFailed = true;
            run.Say($"Kafka's data are kept in {await broker.KeepAsync()}");
            Report(run, findings, evidence, folder, seed);
        }
        return Figures(plan, evidence, findings);
    }

    private static async Task<Evidence> RunAsync(BenchRun run, BenchBroker broker, ChaosPlan plan, string folder, int workers, int poison, int seed, TimeSpan length)
    {
        var agents = new ChaosAgents(folder);
        var leftovers = new Leftovers(folder);
        run.Say($"starting {ChaosPipeline.Replicas} APIs and {workers} workers");
        var pipeline = await ChaosPipeline.StartAsync(broker, agents, folder, workers, seed, run.Stop);
        await using var log = new TopicLog(broker.BootstrapServers, pipeline.Cluster.Topics);
        var load = new ChaosLoad(pipeline.Http);
        IReadOnlyList<string> left;
        Watched[] watched;
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(run.Stop);
            run.Say($"{plan.Tasks.Count} tasks, and {plan.Attacks.Count} attacks, in {length.TotalSeconds} s");
            using var faults = new FaultInjector(pipeline, broker, run);
            var attacks = faults.AttackAsync(plan.Attacks, run.Stop);
            using var poisoner = new Poisoner(broker.BootstrapServers, pipeline.Cluster.Topics, seed + 3);
            var poisoning = poisoner.PoisonAsync(poison, length, run.Stop);
            await Task.WhenAll(UntilSettledAsync(pipeline, load, log, plan.Tasks, length, limit), attacks, poisoning);
            if (poison > 0)
                run.Say($"{poisoner.Written} odd records were written");
            run.Stop.ThrowIfCancellationRequested();
            run.Say($"{load.Accepted.Count} tasks were accepted, {load.Accepted.Count(log.HasEnded)} of them have ended");
            await Task.WhenAny(load.WatchedAsync(), Task.Delay(LastEvents, run.Stop));
            await limit.CancelAsync();
            watched = await load.WatchedAsync();
            left = await leftovers.AgentsAsync(LastProcesses, run.Stop);
        }
        finally
        {
            await pipeline.DisposeAsync();
        }
        left = [.. left, .. await leftovers.AllAsync(LastProcesses, run.Stop)];
        run.Say("reading the topics to their ends");
        await log.ReadToEndAsync(LastRecords, run.Stop);
        return new Evidence { Accepted = load.Accepted, Records = log.Records, IsPoisoned = poison > 0, Marks = agents.ReadMarks(), Watched = watched, Left = left, Types = ChaosAgents.Rules };
    }

    /// <summary>Returns when every task has been accepted and has ended, or when no task ends any more.</summary>
    private static async Task UntilSettledAsync(ChaosPipeline pipeline, ChaosLoad load, TopicLog log, IReadOnlyList<PlannedTask> tasks, TimeSpan length, CancellationTokenSource limit)
    {
        limit.CancelAfter(length + Standstill);
        var ended = 0;
        try
        {
            var submitting = load.RunAsync(tasks, limit.Token);
            while (!submitting.IsCompleted || ended < load.Accepted.Count)
            {
                if (submitting.IsFaulted)
                    break;
                pipeline.ThrowIfBroken();
                await Task.Delay(TimeSpan.FromMilliseconds(250), limit.Token);
                if (load.Accepted.Count(log.HasEnded) is var now && now == ended)
                    continue;
                ended = now;
                if (submitting.IsCompleted)
                    limit.CancelAfter(Standstill);
            }
            await submitting;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            // The checker reports what is missing.
        }
    }

    /// <summary>Reports what is wrong with which tasks, and keeps everything that was read.</summary>
    private static void Report(BenchRun run, IReadOnlyList<Finding> findings, Evidence evidence, string folder, int seed)
    {
        File.WriteAllLines(Path.Combine(folder, "records.log"), evidence.Records.Select(record => record.ToString()));
        var records = evidence.Records.ToLookup(record => record.Json?.Text("task_id") ?? record.Key);
        var shown = findings.GroupBy(finding => finding.Violation).SelectMany(kind => kind.DistinctBy(finding => finding.TaskId).Take(MostShownOfAKind)).Select(finding => finding.TaskId).ToHashSet();
        foreach (var task in findings.Where(finding => shown.Contains(finding.TaskId)).GroupBy(finding => finding.TaskId))
        {
            foreach (var finding in task)
                run.Say($"{finding.Violation}: {(task.Key.Length > 0 ? task.Key + ": " : "")}{finding.What}");
            if (task.Key.Length > 0)
                foreach (var record in records[task.Key].Where(record => record.Json?.Text("kind") != "lines").TakeLast(MostRecords))
                    run.Say($"    {record}");
            if (evidence.Watched.FirstOrDefault(watched => watched.TaskId == task.Key) is { } watched)
                run.Say($"    its watcher received {watched.Events.Count} events, the last: {string.Join(", ", watched.Events.TakeLast(3))}");
        }
        var tasks = findings.Select(finding => finding.TaskId).Distinct().ToList();
        if (tasks.Count > shown.Count)
            run.Say($"and {tasks.Count - shown.Count} more tasks: {string.Join(", ", tasks.Except(shown))}");
        run.Say($"seed {seed} failed; records, logs and marks are kept in {folder}");
    }

    private static List<Figure> Figures(ChaosPlan plan, Evidence evidence, IReadOnlyList<Finding> findings)
    {
        return
        [
            Count("accepted", "tasks", evidence.Accepted.Count),
            Count("attacks", "attacks", plan.Attacks.Count),
            Tasks("lost", Violation.Lost),
            Tasks("ended_twice", Violation.EndedTwice),
            Tasks("wrong_ends", Violation.WrongEnd),
            Tasks("ended_without_outcome", Violation.EndWithoutOutcome),
            Tasks("rerun_after_outcome", Violation.RerunAfterOutcome),
            Tasks("wrong_attempts", Violation.WrongAttempts),
            Tasks("overlaps", Violation.Overlap),
            Count("watched", "tasks", evidence.Watched.Count),
            Tasks("lines_missing", Violation.LinesMissing),
            Count("processes_left", "processes", findings.Count(finding => finding.Violation == Violation.ProcessLeft)),
        ];

        Figure Tasks(string name, Violation violation) => Count(name, "tasks", findings.Where(finding => finding.Violation == violation).DistinctBy(finding => finding.TaskId).Count());

        static Figure Count(string name, string unit, int count) => Figure.Of($"chaos.{name}", unit, [count]);
    }
}
