using System.Globalization;

namespace TaskPipeline.DevStack;

/// <summary>What the command line asks for.</summary>
/// <param name="Port">The API's; 0 picks a free one.</param>
/// <param name="Kafka">A real Kafka instead of the embedded broker.</param>
internal sealed record StackOptions(int Port, int Workers, string? Kafka, string DataDirectory, string TaskTypes)
{
    public const string Help = """
        ./build up starts the pipeline on this machine, in the foreground: broker, project-config API, task API, workers.

          --port N            port of the task API on 127.0.0.1 (default 8080; 0 picks a free one)
          --workers N         number of workers (default 2)
          --kafka HOST:PORT   a real Kafka instead of the embedded broker; several with commas
          --data DIR          the agents' workspaces and the sample project's database (default .data in the repository)
          --task-types FILE   the catalogue of task types (default task-types.yaml in the repository)
          --help              this text

        The embedded broker keeps everything in memory: tasks and their output are gone when it ends.
        A worker that dies is started again. Ctrl-C ends everything.
        """;

    private const int MostWorkers = 64;

    /// <summary>Null where the help was asked for.</summary>
    public static StackOptions? Parse(IEnumerable<string> arguments)
    {
        var options = new StackOptions(8080, 2, null, Path.Combine(Repository.Root, ".data"), Path.Combine(Repository.Root, "task-types.yaml"));
        var rest = new Queue<string>(arguments);
        while (rest.TryDequeue(out var argument))
        {
            if (argument is "--help" or "-h")
                return null;
            var (name, value) = argument.Split('=', 2) is [var left, var right] ? (left, right) : (argument, null);
            options = name switch
            {
                "--port" => options with { Port = Number(0, 65535) },
                "--workers" => options with { Workers = Number(0, MostWorkers) },
                "--kafka" => options with { Kafka = Brokers() },
                "--data" => options with { DataDirectory = Path.GetFullPath(Value()) },
                "--task-types" => options with { TaskTypes = ExistingFile() },
                _ => throw new BadOptionException($"{argument} is not an option; ./build up --help shows what there is"),
            };

            string Value() => value ?? (rest.TryDequeue(out var next) ? next : throw new BadOptionException($"{name} needs a value"));

            int Number(int least, int most)
            {
                var text = Value();
                return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
                    ? number
                    : throw new BadOptionException($"{name} {text}: give a number from {least} to {most}");
            }

            string Brokers()
            {
                var text = Value();
                var wrong = text.Split(',').FirstOrDefault(broker => broker.LastIndexOf(':') is var colon
                    && (colon < 1 || !ushort.TryParse(broker.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0));
                return wrong is null ? text : throw new BadOptionException($"{name} {text}: give HOST:PORT, such as localhost:9092");
            }

            string ExistingFile()
            {
                var file = Path.GetFullPath(Value());
                return File.Exists(file) ? file : throw new BadOptionException($"{name}: there is no file {file}");
            }
        }
        return options;
    }
}

internal sealed class BadOptionException(string message) : Exception(message);
