using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// Many watchers of one stream, in their own process, so that they share only the processors with what they measure. Run as
/// <c>Bench watchers PORT PATH COUNT LINES SAMPLED STALLED UNTIMED</c>. It prints <c>connected</c>, reads after <c>go</c>, and ends with the results.
/// </summary>
internal static class WatcherLoad
{
    public const string Name = "watchers";
    private const int SweepSteps = 25;
    private const int Rest = 2;   // the pause after a step of the sweep, as a multiple of its time, at least
    private const int LifeTicks = 200;
    private static readonly Dictionary<string, string?> FastSoon = new() { ["DOTNET_TieredPGO"] = "0" };   // the process is new for each turn
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LifeTick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan SweepStep = TimeSpan.FromMilliseconds(1);

    /// <param name="Lines">Lines of all watchers together.</param>
    /// <param name="Incomplete">Watchers that did not receive every line once and in order.</param>
    /// <param name="FirstIncomplete">Description of what the first of them received.</param>
    /// <param name="P50">Milliseconds from the writing of a line to its arrival, at the timed watchers.</param>
    /// <param name="LastAt">When the last line arrived, by the machine's clock.</param>
    internal sealed record Seen(long Lines, int Incomplete, string FirstIncomplete, double P50, double P99, long LastAt);

    public static async Task<int> RunAsync(string[] arguments)
    {
        var numbers = ((string[])[arguments[0], .. arguments[2..]]).Select(number => int.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        var (port, count, lines, sampled, stalled, untimed) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]);
        var apart = Math.Max(1, count / Math.Max(1, sampled));
        var watchers = new RawWatcher[count + stalled];
        for (var number = 0; number < watchers.Length; number++)
        {
            watchers[number] = new RawWatcher(number < count && number % apart == 0 && number / apart < sampled ? untimed : null);   // spread evenly, wherever the server begins
            watchers[number].Connect(new IPEndPoint(IPAddress.Loopback, port), arguments[1]);
        }
        Console.WriteLine("connected");
        using var over = new CancellationTokenSource();
        // Timed watchers are read at once. The others should need little CPU, because their throughput counts: one thread reads them in turn now and then.
        var timed = watchers.Where(watcher => watcher.Ages is not null).ToList();
        var others = watchers.Take(count).Except(timed).ToList();
        var reading = Task.WhenAll(OwnThread.Run(() => RawWatcher.ReadAtOnce(timed, lines, over.Token)), OwnThread.Run(() => Sweep(others, lines, over.Token)));
        _ = ShowLifeAsync(watchers, over.Token);
        _ = Task.Run(() => Console.In.ReadLine()).ContinueWith(_ => over.Cancel(), TaskScheduler.Default);   // the parent has waited long enough, or has ended
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

    /// <summary>
    /// Reads a few at a time, like independent clients. Reading all at once would keep a processor from the measured programs for milliseconds.
    /// </summary>
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

    /// <summary>Connects one after the other, like independent clients.</summary>
    private static async Task ShowLifeAsync(RawWatcher[] watchers, CancellationToken over)
    {
        using var timer = new PeriodicTimer(LifeTick);
        for (var tick = 0; await timer.WaitForNextTickAsync(over); tick++)
            for (var number = tick % LifeTicks; number < watchers.Length; number += LifeTicks)
                watchers[number].ShowLife();
    }

    /// <summary>Starts the watchers, and returns when all are connected.</summary>
    /// <param name="untimed">Number of first lines that are not timed: this process is new, and TCP still acknowledges every packet of new connections.</param>
    public static async Task<ChildProcess> StartAsync(int port, string path, int count, int lines, int sampled = 20, int stalled = 0, int untimed = 0)
    {
        var load = ChildProcess.Start("Bench", [Name, $"{port}", path, $"{count}", $"{lines}", $"{sampled}", $"{stalled}", $"{untimed}"], FastSoon);
        await load.WaitForLineAsync("connected", ConnectTimeout);
        return load;
    }

    /// <summary>The results, when every watcher has every line or <paramref name="maxWait"/> has passed.</summary>
    public static async Task<Seen> ResultAsync(ChildProcess load, TimeSpan maxWait)
    {
        await Task.WhenAny(load.WaitForExitAsync(maxWait));
        if (!load.HasExited)
            load.CloseInput();
        return JsonSerializer.Deserialize<Seen>(await load.WaitForLineAsync("{"))!;
    }
}
