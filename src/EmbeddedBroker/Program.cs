using System.CommandLine;
using System.Runtime.InteropServices;
using TaskPipeline.EmbeddedBroker;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

const string Description = $"""
    A Kafka broker for a first run and for tests. It keeps everything in memory.

    Prints "ready HOST:PORT" when it accepts requests. Ends when its standard input is closed, so it never outlives its parent.
    Commands on standard input, one per line, each answered with "ok …" or "error …":
      {Commands.Help}
    """;

var prefix = new Option<string?>("--topic-prefix")
{
    HelpName = "TEXT",
    Description = "Create the pipeline's topics at the start, with this prefix ('' for none)",
};
var partitions = LocalCommandLine.Number("--partitions", "N", 24, 1, 1000, "Number of partitions (lanes) of those topics");
var brokers = LocalCommandLine.Number("--brokers", "N", 1, 1, 9, "Number of brokers");
var groupDelay = LocalCommandLine.Number("--group-delay", "MS", 0, 0, 60_000, "How long a new consumer group waits for further members");
var ignoreInterrupt = new Option<bool>("--ignore-interrupt") { Description = "Leave Ctrl+C to the parent process" };

var root = new RootCommand(Description) { prefix, partitions, brokers, groupDelay, ignoreInterrupt };
root.SetAction((parsed, _) => RunAsync(
    parsed.GetValue(prefix),
    parsed.GetRequiredValue(partitions),
    parsed.GetRequiredValue(brokers),
    parsed.GetRequiredValue(groupDelay),
    parsed.GetValue(ignoreInterrupt)));
return await root.RunAsync("EmbeddedBroker", args);

static async Task<int> RunAsync(string? prefix, int partitions, int brokers, int groupDelay, bool ignoresInterrupt)
{
    using var interrupt = ignoresInterrupt ? PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true) : null;
    try
    {
        KafkaLibrary.Load();
    }
    catch (KafkaLibraryException exception)
    {
        await Console.Error.WriteLineAsync($"EmbeddedBroker cannot start: {exception.Message}");
        return ExitCodes.BadConfiguration;
    }
    var cluster = new MockCluster(brokers, groupDelay);
    if (prefix is not null)
        cluster.CreatePipeline(prefix, partitions);
    Print($"ready {cluster.BootstrapServers}");

    var commands = new Commands(cluster);
    while (await Console.In.ReadLineAsync() is { } line && line.Trim() != "quit")
        if (line.Trim().Length > 0)
            Print(commands.Answer(line));
    return 0;
}

static void Print(string line)
{
    Console.Out.WriteLine(line);
    Console.Out.Flush();
}
