using System.Runtime.InteropServices;
using TaskPipeline.Bench.Benches;
using TaskPipeline.Bench.Chaos;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench;

/// <summary>The command line: lists the benches, or runs one of them and prints its figures.</summary>
internal static class BenchProgram
{
    private const int Failed = 1;
    private const int BadUsage = 2;
    private const int Interrupted = 130;

    private static readonly Benchmark[] Benches =
        [new PipelineBench(), new ThroughputBench(), new StartBench(), new FailoverBench(), new QueueBench(), new RetriesBench(), new OverheadBench(), new FloodBench(), new StormBench(), new StopBench(), new LatencyBench(), new FanoutBench(), new IdleBench(), new ReplayBench(), new RestartBench(), new SoakBench(), new ChaosBench()];

    public static async Task<int> RunAsync(string[] args)
    {
        switch (args)
        {
            case [LineAgent.Name, var interval, var count]:
                return LineAgent.Run(interval, count);
            case [FloodAgent.Name, var lines, var length]:
                return FloodAgent.Run(lines, length);
            case [NoopFloor.Name, ..]:
                return NoopFloor.Run(args[1..]);
            case [StormWorker.Name, var cgroups]:
                return await StormWorker.RunAsync(cgroups);
            case [WatcherLoad.Name, ..]:
                return await WatcherLoad.RunAsync(args[1..]);
            case [TailFloor.Name, var records]:
                return TailFloor.Run(records);
            case [LoopFloor.Name]:
                return await LoopFloor.RunAsync();
            case [] or ["--help" or "-h" or "help"]:
                await Console.Out.WriteLineAsync(Overview());
                return 0;
        }
        if (Benches.FirstOrDefault(bench => bench.Name == args[0]) is not { } bench)
        {
            await Console.Error.WriteLineAsync($"Bench: there is no bench '{args[0]}'\n\n{Overview()}");
            return BadUsage;
        }
        if (args[1..] is ["--help" or "-h"])
        {
            await Console.Out.WriteLineAsync(bench.Help());
            return 0;
        }
        try
        {
            KafkaLibrary.Load();
            return await RunAsync(bench, BenchArguments.Parse(bench, args[1..]));
        }
        catch (BadUsageException exception)
        {
            await Console.Error.WriteLineAsync($"Bench: {exception.Message}\n\n{bench.Help()}");
            return BadUsage;
        }
        catch (KafkaLibraryException exception)
        {
            await Console.Error.WriteLineAsync($"Bench: {exception.Message}");
            return ExitCodes.BadConfiguration;
        }
    }

    private static async Task<int> RunAsync(Benchmark bench, BenchArguments arguments)
    {
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        try
        {
            var run = new BenchRun(bench, arguments, stop.Token);
            var figures = await bench.RunAsync(run);
            if (arguments.AsJson)
                Report.WriteJson(Console.Out, bench.Name, figures);
            else
                Report.WriteTable(Console.Out, bench.Name, figures);
            return run.HasFailed ? Failed : 0;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("Bench: interrupted; everything it started has ended");
            return Interrupted;
        }
        catch (BenchException exception)
        {
            await Console.Error.WriteLineAsync($"Bench: {exception.Message}");
            return Failed;
        }

        // The first signal ends the bench in order, a second one at once: what it started then ends with its standard input.
        void Stop(PosixSignalContext context)
        {
            context.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }

    private static string Overview() => $"""
        Bench NAME [--json] [OPTIONS] runs a bench; Bench NAME --help shows its options. There are:

        {string.Join('\n', Benches.Select(bench => $"  {bench.Name,-12}{bench.Summary}"))}
        """;
}
