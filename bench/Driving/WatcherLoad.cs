using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// Many watchers of one stream, in a process of their own, so that they share nothing with what they measure but the processors. Run as
/// <c>Bench watchers PORT PATH COUNT LINES SAMPLED STALLED UNTIMED</c>; it says <c>connected</c>, reads when it is told <c>go</c>, and ends with what they saw.
/// </summary>
internal static class WatcherLoad
{
    public const string Name = "watchers";
    private const int SweepSteps = 25;
    private const int Rest = 2;   // times as long as a step of the sweep has taken, at least
    private const int LifeTicks = 200;
    private static readonly Dictionary<string, string?> FastSoon = new() { ["DOTNET_TieredPGO"] = "0" };   // the process is new each time
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LifeTick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan SweepStep = TimeSpan.FromMilliseconds(1);

    /// <param name="Lines">Of all watchers together.</param>
    /// <param name="Incomplete">Watchers that have not seen every line, in order and once.</param>
    /// <param name="FirstIncomplete">What the first of them has seen, for people.</param>
    /// <param name="P50">Milliseconds from the writing of a line to its arrival, at the watchers that are timed.</param>
    /// <param name="LastAt">When the last of the lines came, by the machine's clock.</param>
    internal sealed record Seen(long Lines, int Incomplete, string FirstIncomplete, double P50, double P99, long LastAt);

    public static async Task<int> RunAsync(string[] arguments)
    {
        var numbers = ((string[])[arguments[0], .. arguments[2..]]).Select(number => int.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        var (port, count, lines, sampled, stalled, untimed) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]);
        var apart = Math.Max(1, count / Math.Max(1, sampled));
        var watchers = new RawWatcher[count + stalled];
        for (var number = 0; number < watchers.Length; number++)
        {
            watchers[number] = new RawWatcher(number < count && number % apart == 0 && number / apart < sampled ? untimed : null);   // wherever in their row the server begins
            watchers[number].Connect(new IPEndPoint(IPAddress.Loopback, port), arguments[1]);
        }
        Console.WriteLine("connected");
        using var over = new CancellationTokenSource();
        // Those that are timed are read at once. The others need the processors as little as can be, whose measure is another: one thread goes round now and then.
        var timed = watchers.Where(watcher => watcher.Ages is not null).ToList();
        var others = watchers.Take(count).Except(timed).ToList();
        var reading = Task.WhenAll(OwnThread.Run(() => RawWatcher.ReadAtOnce(timed, lines, over.Token)), OwnThread.Run(() => Sweep(others, lines, over.Token)));
        _ = ShowLifeAsync(watchers, over.Token);
        _ = Task.Run(() => Console.In.ReadLine()).ContinueWith(_ => over.Cancel(), TaskScheduler.Default);   // whoever has started it has waited long enough, or is gone
        await Task.WhenAny(reading);
        var incomplete = watchers.Take(count).Where(watcher => watcher.Lines != lines || watcher.Wrong > 0).ToList();
        var times = timed.SelectMany(watcher => watcher.Ages!).ToList();
        Console.WriteLine(JsonSerializer.Serialize(new Seen(
            watchers.Sum(watcher => watcher.Lines),
            incomplete.Count,
            incomplete is [var first, ..] ? $"{first.Lines} lines, {first.Wrong} of them out of order, the last {first.Last}" : "",
            times.Count == 0 ? 0 : Statistics.Percentile(times, 0.5),
            times.Count == 0 ? 0 : Statistics.Percentile(times, 0.99),
            watchers.Max(watcher => watcher.LastAt))));
        foreach (var watcher in watchers)
            watcher.Dispose();
        return 0;
    }

    /// <summary>A few at a time, as if they knew nothing of each other: all at once would keep a processor from what is measured for milliseconds.</summary>
    private static void Sweep(List<RawWatcher> watchers, int lines, CancellationToken over)
    {
        var buffer = new byte[64 * 1024];
        var atOnce = (watchers.Count + SweepSteps - 1) / SweepSteps;
        for (var due = new Queue<RawWatcher>(watchers); due.Count > 0 && !over.IsCancellationRequested;)
        {
            var since = Stopwatch.GetTimestamp();
            for (var left = Math.Min(atOnce, due.Count); left > 0; left--)
                if (due.Dequeue() is var watcher && watcher.Drain(buffer) && watcher.Last < lines)
                    due.Enqueue(watcher);
            var rest = Rest * Stopwatch.GetElapsedTime(since);
            over.WaitHandle.WaitOne(rest > SweepStep ? rest : SweepStep);
        }
    }

    /// <summary>One after the other, as clients do that know nothing of each other.</summary>
    private static async Task ShowLifeAsync(RawWatcher[] watchers, CancellationToken over)
    {
        using var timer = new PeriodicTimer(LifeTick);
        for (var tick = 0; await timer.WaitForNextTickAsync(over); tick++)
            for (var number = tick % LifeTicks; number < watchers.Length; number += LifeTicks)
                watchers[number].ShowLife();
    }

    /// <summary>Starts them, and comes back when all are connected.</summary>
    /// <param name="untimed">The first lines, while this process is new and TCP still acknowledges every packet of the new connections.</param>
    public static async Task<ChildProcess> StartAsync(int port, string path, int count, int lines, int sampled = 20, int stalled = 0, int untimed = 0)
    {
        var load = ChildProcess.Start("Bench", [Name, $"{port}", path, $"{count}", $"{lines}", $"{sampled}", $"{stalled}", $"{untimed}"], FastSoon);
        await load.WaitForLineAsync("connected", ConnectTimeout);
        return load;
    }

    /// <summary>What they have seen, once every watcher has every line; after <paramref name="maxWait"/>, whatever they have.</summary>
    public static async Task<Seen> ResultAsync(ChildProcess load, TimeSpan maxWait)
    {
        await Task.WhenAny(load.WaitForExitAsync(maxWait));
        if (!load.HasExited)
            load.CloseInput();
        return JsonSerializer.Deserialize<Seen>(await load.WaitForLineAsync("{"))!;
    }
}
