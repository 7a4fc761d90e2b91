using System.Diagnostics;
using System.Globalization;
using System.Text;
using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.Bench.Benches;

/// <summary>
/// Nothing of an agent survives its end or its worker's end: hostile agents are stopped, exceed their time limit, or lose their worker, its reapers or both to
/// <c>kill -9</c>, at random moments. It needs no broker.
/// </summary>
internal sealed class StormBench : Benchmark
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SweepMaxWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);

    public override string Name => "storm";

    public override string Summary => "kills workers, reapers and hostile agents, and counts the processes that remain";

    protected override IReadOnlyList<BenchOption> Own =>
    [
        new("--runs", "N", "500", "number of agents"),
        new("--at-once", "N", "8", "workers, each with one agent"),
        new("--seed", "N", "0", "seed of the random choices; 0: random"),
    ];

    public override async Task<IReadOnlyList<Figure>> RunAsync(BenchRun run)
    {
        if (!OperatingSystem.IsLinux())
            throw new BenchException("this bench needs Linux");
        var runs = run.Arguments.Number("--runs", 1, 1_000_000);
        var atOnce = run.Arguments.Number("--at-once", 1, 64);
        var seed = run.Arguments.Number("--seed", 0, int.MaxValue) is > 0 and var given ? given : Random.Shared.Next(1, int.MaxValue);
        run.Say($"seed {seed}, {runs} runs, {atOnce} at once; every other worker uses control groups if this machine has them");
        var next = 0;
        var counts = new int[Enum.GetValues<Attack>().Length];
        var (left, sweeps) = (0, new List<double>());
        var gate = new Lock();
        await Task.WhenAll(Enumerable.Range(0, atOnce).Select(place => Task.Run(async () =>
        {
            StormVictim? victim = null;
            try
            {
                for (int number; (number = Interlocked.Increment(ref next)) <= runs; run.Stop.ThrowIfCancellationRequested())
                {
                    var random = new Random(HashCode.Combine(seed, number));
                    var attack = (Attack)random.Next(counts.Length);
                    var id = $"{seed}-{number}";
                    victim ??= await StormVictim.StartAsync(hasCgroups: place % 2 == 0);
                    var began = Stopwatch.GetTimestamp();
                    var survives = await victim.AttackAsync(id, attack, TimeSpan.FromMilliseconds(random.Next(1, 400)), random.Next(2));
                    if (!survives)
                    {
                        await victim.DisposeAsync();
                        // Without a reaper, the next worker on the machine sweeps at its start.
                        victim = attack == Attack.EverybodyKilled ? await StormVictim.StartAsync(hasCgroups: place % 2 == 0) : null;
                    }
                    var found = await LeftOfAsync(id, survives ? TimeSpan.Zero : SweepMaxWait);
                    lock (gate)
                    {
                        counts[(int)attack]++;
                        left += found.Count;
                        if (!survives)
                            sweeps.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                    }
                    foreach (var process in found)
                        run.Say($"remains of run {number}, {attack}: {process}");
                    if (number % 100 == 0)
                        run.Say($"{number} runs, {left} processes left");
                }
            }
            finally
            {
                if (victim is not null)
                    await victim.DisposeAsync();
            }
        })));
        run.Say(string.Join(", ", Enum.GetValues<Attack>().Select(attack => $"{counts[(int)attack]} {attack}")));
        run.HasFailed = left > 0;
        return [Figure.Of("storm.processes_left", "processes", [left]), Figure.Of("storm.runs", "runs", [counts.Sum()])];
    }

    /// <summary>The processes with the agent's variable, as the kernel shows them. Searches again until there are none, or the time is over.</summary>
    private static async Task<IReadOnlyList<string>> LeftOfAsync(string id, TimeSpan maxWait)
    {
        for (var began = Stopwatch.GetTimestamp(); ; await Task.Delay(LookAgain))
        {
            var found = Directory.EnumerateDirectories("/proc").Where(folder => int.TryParse(folder.AsSpan("/proc/".Length), out _) && IsOf(id, folder)).Select(Describe).ToList();
            if (found.Count == 0 || Stopwatch.GetElapsedTime(began) > maxWait)
                return found;
        }
    }

    private static bool IsOf(string id, string folder)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes(folder + "/environ")).Split('\0').Contains($"{StormWorker.Variable}={id}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;   // it has ended, or belongs to another user
        }
    }

    private static string Describe(string folder)
    {
        try
        {
            return $"{folder} {File.ReadAllText(folder + "/cmdline").Replace('\0', ' ')} {File.ReadAllText(folder + "/stat")}";
        }
        catch (IOException)
        {
            return folder;
        }
    }

    private enum Attack
    {
        Stopped,
        TimedOut,
        WorkerKilled,
        ReaperKilled,
        BothKilled,
        EverybodyKilled,
    }

    /// <summary>A worker under attack.</summary>
    private sealed class StormVictim(ChildProcess process) : IAsyncDisposable
    {
        private static readonly TimeSpan NoLimit = TimeSpan.FromHours(1);

        public static async Task<StormVictim> StartAsync(bool hasCgroups)
        {
            var process = ChildProcess.Start("Bench", [StormWorker.Name, hasCgroups.ToString()]);
            await process.WaitForLineAsync("ready", MaxWait);
            return new StormVictim(process);
        }

        /// <summary>Runs an agent until it or its worker has ended. True: the worker lives.</summary>
        public async Task<bool> AttackAsync(string id, Attack attack, TimeSpan moment, int which)
        {
            await process.WriteLineAsync($"run {id} {(attack == Attack.TimedOut ? moment : NoLimit).TotalMilliseconds.ToString(CultureInfo.InvariantCulture)}");
            await process.WaitForLineAsync($"spawned {id}", MaxWait);
            if (attack == Attack.TimedOut)
                return await EndedAsync(id);
            await Task.Delay(moment);
            if (attack is Attack.ReaperKilled or Attack.BothKilled or Attack.EverybodyKilled)
            {
                var reapers = await ReapersAsync();
                foreach (var reaper in attack == Attack.EverybodyKilled ? reapers : [reapers[which]])
                    Kill(reaper);
            }
            if (attack is Attack.WorkerKilled or Attack.BothKilled or Attack.EverybodyKilled)
            {
                process.KillAlone();
                await process.WaitForExitAsync(MaxWait);
                return false;
            }
            await process.WriteLineAsync("stop");
            return await EndedAsync(id);
        }

        public async ValueTask DisposeAsync()
        {
            if (!process.HasExited)
            {
                process.CloseInput();
                await Task.WhenAny(process.WaitForExitAsync(MaxWait));
            }
            await process.DisposeAsync();
        }

        private async Task<bool> EndedAsync(string id)
        {
            await process.WaitForLineAsync($"ended {id} ", MaxWait);
            return true;
        }

        private async Task<int[]> ReapersAsync()
        {
            var seen = process.Lines.Count;
            await process.WriteLineAsync("reapers");
            var line = await process.WaitForLineAsync("reapers ", MaxWait, seen);
            return [.. line.Split(' ')[1..].Select(pid => int.Parse(pid, CultureInfo.InvariantCulture))];
        }

        /// <summary>A reaper that was just killed is perhaps not replaced yet; then it is missing here.</summary>
        private static void Kill(int pid)
        {
            try
            {
                using var found = Process.GetProcessById(pid);
                found.Kill();
            }
            catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
            {
                // It has already ended.
            }
        }
    }
}
