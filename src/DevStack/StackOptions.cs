using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.DevStack;

/// <summary>The values of the command line.</summary>
/// <param name="Port">Port of the API; 0: a free port.</param>
/// <param name="Kafka">HOST:PORT of a real Kafka; null: the embedded broker.</param>
internal sealed record StackSettings(int Port, int Workers, string? Kafka, string DataDirectory, string TaskTypes);

/// <summary>The options of the command line.</summary>
internal sealed class StackOptions
{
    public const string Description = """
        Starts the pipeline on this machine, in the foreground: broker, project-config API, task API, workers.

        The embedded broker keeps everything in memory: tasks and their output are lost when it ends.
        A worker that ends is restarted. Ctrl+C ends everything.
        """;

    private const int MostWorkers = 64;

    private readonly Option<int> _port = LocalCommandLine.Number("--port", "N", 8080, 0, 65535, "Port of the task API on 127.0.0.1; 0 chooses a free one");
    private readonly Option<int> _workers = LocalCommandLine.Number("--workers", "N", 2, 0, MostWorkers, "Number of workers");
    private readonly Option<string?> _kafka = new("--kafka")
    {
        HelpName = "HOST:PORT",
        Description = "Use this Kafka instead of the embedded broker; several brokers with commas",
    };

    private readonly Option<string> _data = PathOption("--data", "DIR", ".data", "Folder of the agents' workspaces and the sample project's database");
    private readonly Option<string> _taskTypes = PathOption("--task-types", "FILE", "task-types.yaml", "The catalogue of task types");

    public StackOptions()
    {
        _kafka.Validators.Add(CheckBrokers);
        _taskTypes.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } file && !File.Exists(file))
                result.AddError($"--task-types: there is no file {file}.");
        });
    }

    public IReadOnlyList<Option> All => [_port, _workers, _kafka, _data, _taskTypes];

    public StackSettings Read(ParseResult parsed) => new(
        parsed.GetRequiredValue(_port),
        parsed.GetRequiredValue(_workers),
        parsed.GetValue(_kafka),
        parsed.GetRequiredValue(_data),
        parsed.GetRequiredValue(_taskTypes));

    private static Option<string> PathOption(string name, string valueName, string byDefault, string description) => new(name)
    {
        HelpName = valueName,
        Description = description,
        DefaultValueFactory = _ => Path.Combine(BuildOutput.Repository, byDefault),
        CustomParser = result => Path.GetFullPath(result.Tokens[0].Value),
    };

    private static void CheckBrokers(OptionResult result)
    {
        var text = result.GetValueOrDefault<string>() ?? "";
        var isRight = text.Split(',').All(broker => broker.LastIndexOf(':') is >= 1 and var colon
            && ushort.TryParse(broker.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0);
        if (!isRight)
            result.AddError($"--kafka {text}: must be HOST:PORT, such as localhost:9092.");
    }
}
