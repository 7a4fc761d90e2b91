using System.Runtime.InteropServices;
using TaskPipeline.EmbeddedBroker;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Shared.Kafka;

const string Usage = """
    EmbeddedBroker: a Kafka broker for a first run and for tests. It keeps everything in memory.

      --topic-prefix TEXT   create the pipeline's topics under this prefix ('' for none) at the start
      --partitions N        with that many lanes (default 24)
      --brokers N           brokers in the cluster (default 1)
      --group-delay MS      how long a new consumer group waits for further members (default 0)
      --ignore-interrupt    leave Ctrl-C to the parent process

    Prints "ready HOST:PORT" once it takes requests. Ends with its standard input, so that it never outlives its parent.
    Commands on standard input, one per line, each answered with "ok …" or "error …":

    """;

string? prefix = null;
var (partitions, brokers, groupDelay, ignoreInterrupt) = (24, 1, 0, false);
for (var arguments = new Queue<string>(args); arguments.TryDequeue(out var argument);)
{
    var understood = argument switch
    {
        "--help" => Print(Usage + "  " + Commands.Help),
        "--ignore-interrupt" => ignoreInterrupt = true,
        "--topic-prefix" => arguments.TryDequeue(out prefix),
        "--partitions" => arguments.TryDequeue(out var text) && int.TryParse(text, out partitions) && partitions is >= 1 and <= 1000,
        "--brokers" => arguments.TryDequeue(out var text) && int.TryParse(text, out brokers) && brokers is >= 1 and <= 9,
        "--group-delay" => arguments.TryDequeue(out var text) && int.TryParse(text, out groupDelay) && groupDelay is >= 0 and <= 60_000,
        _ => false,
    };
    if (argument == "--help")
        return 0;
    if (!understood)
    {
        await Console.Error.WriteLineAsync($"EmbeddedBroker: {argument} is unknown or lacks its value; --help shows what there is");
        return 2;
    }
}

using var interrupt = ignoreInterrupt ? PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true) : null;

try
{
    KafkaLibrary.Load();
}
catch (KafkaLibraryException exception)
{
    await Console.Error.WriteLineAsync($"EmbeddedBroker does not start: {exception.Message}");
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

static bool Print(string line)
{
    Console.Out.WriteLine(line);
    Console.Out.Flush();
    return true;
}
