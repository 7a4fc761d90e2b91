using System.Globalization;
using System.Text.Json;

namespace TaskPipeline.AgentCli.Demonstrating;

/// <summary>A way to fail on purpose, by the word that the user chose.</summary>
internal sealed class Failure
{
    private const string Flaky = "flaky:";

    private readonly string _word;
    private readonly double _chance;

    private Failure(string word, double chance)
    {
        _word = word;
        _chance = chance;
    }

    /// <summary>The choices, for messages.</summary>
    public static string Words { get; } = "none, transform, tool_call, crash_worker, hang or flaky:0.3";

    public static Failure? Named(string word)
    {
        if (word is "none" or "transform" or "tool_call" or "crash_worker" or "hang")
            return new Failure(word, 1);
        return word.StartsWith(Flaky, StringComparison.Ordinal)
            && double.TryParse(word[Flaky.Length..], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var chance) && chance <= 1
            ? new Failure(Flaky, chance)
            : null;
    }

    /// <summary>Fails, or returns if it does not fail this time. Each attempt of a task is a new process, so it decides again.</summary>
    public async Task HappenAsync(CancellationToken cancellationToken)
    {
        switch (_word)
        {
            case "transform":
                throw Reported("permanent", "row 7: 'n/a' is not a weight", ExitCodes.Failed);
            case "tool_call":
                throw Reported("transient", "the tool does not answer: connection refused", ExitCodes.TemporaryFailure);
            case Flaky when Random.Shared.NextDouble() < _chance:
                throw Reported("transient", "the tool did not answer this time", ExitCodes.TemporaryFailure);
            case "crash_worker":
                Console.WriteLine("Killing the worker");
                RunningWorker.OfThisRun().Kill();
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);   // the worker's reaper ends this process
                break;
            case "hang":
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                break;
        }
    }

    /// <summary>Reports a failure on stdout for the rules of the task's type; the exception goes to stderr for people.</summary>
    private static CommandException Reported(string whose, string message, int exitCode)
    {
        Console.WriteLine(JsonSerializer.Serialize(new Dictionary<string, string> { ["type"] = "error", ["class"] = whose, ["message"] = message }));
        return new CommandException(message) { ExitCode = exitCode };
    }
}
