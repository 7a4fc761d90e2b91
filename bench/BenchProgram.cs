using System.CommandLine;
using System.Runtime.InteropServices;
using TaskPipeline.Bench.Benches;
using TaskPipeline.Bench.Chaos;
using TaskPipeline.Bench.Driving;
using TaskPipeline.Bench.Floors;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Bench;

/// <summary>The command line: lists the benches, or runs one of them and prints its figures.</summary>
internal static class BenchProgram
{
    private const int Failed = 1;
    private const int Interrupted = 130;

    private static readonly Benchmark[] Benches =
    [
        new PipelineBench(), new ThroughputBench(), new StartBench(), new FailoverBench(), new QueueBench(), new RetriesBench(), new OverheadBench(), new FloodBench(),
        new StormBench(), new StopBench(), new LatencyBench(), new FanoutBench(), new IdleBench(), new ReplayBench(), new RestartBench(), new SoakBench(), new ChaosBench(),
    ];

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
        }
        var root = new RootCommand("Measures the pipeline. Each bench measures floors and subjects in the same run, and prints the figures with their ratios.");
        foreach (var bench in Benches)
            root.Add(CommandOf(bench));
        return await root.RunAsync("Bench", args.Length == 0 ? ["--help"] : args);
    }

    private static Command CommandOf(Benchmark bench)
    {
        var json = new Option<bool>("--json") { Description = "Print only one line of JSON per figure on standard output" };
        var command = new Command(bench.Name, bench.Summary);
        foreach (var option in bench.Options)
            command.Add(new Option<string>(option.Name) { HelpName = option.Value, Description = option.Summary, DefaultValueFactory = _ => option.Default });
        command.Add(json);
        command.SetAction((parsed, _) => RunAsync(bench, parsed, parsed.GetValue(json)));
        return command;
    }

    private static async Task<int> RunAsync(Benchmark bench, ParseResult parsed, bool asJson)
    {
        try
        {
            KafkaLibrary.Load();
            return await RunAsync(bench, new BenchArguments(parsed, asJson));
        }
        catch (BadUsageException exception)
        {
            await Console.Error.WriteLineAsync($"Bench: {exception.Message}. See Bench {bench.Name} --help.");
            return LocalCommandLine.BadUsage;
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
            await Console.Error.WriteLineAsync("Bench: interrupted; all processes that it started have ended");
            return Interrupted;
        }
        catch (BenchException exception)
        {
            await Console.Error.WriteLineAsync($"Bench: {exception.Message}");
            return Failed;
        }

        // The first signal ends the bench in order, a second one at once. The processes that it started then end with their standard input.
        void Stop(PosixSignalContext context)
        {
            context.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }
}
