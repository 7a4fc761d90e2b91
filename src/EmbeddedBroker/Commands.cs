using System.Globalization;
using Confluent.Kafka;

namespace TaskPipeline.EmbeddedBroker;

/// <summary>Commands to the running broker, one per line. Each is answered with one line, <c>ok …</c> or <c>error …</c>.</summary>
internal sealed class Commands(MockCluster cluster)
{
    public const string Help =
        "topic NAME PARTITIONS | pipeline PREFIX LANES | errors API_KEY CODE COUNT | down | up | rtt MS | help | quit";

    private const int MostPartitions = 1000;
    private const int MostErrors = 100_000;

    public string Answer(string line)
    {
        try
        {
            return "ok " + Run(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        }
        catch (CommandException exception)
        {
            return "error " + exception.Message;
        }
    }

    private string Run(string[] words)
    {
        switch (words)
        {
            case ["topic", var name, var partitions]:
                cluster.CreateTopic(name, Number(partitions, 1, MostPartitions));
                return $"topic {name}";
            case ["pipeline", var prefix, var lanes]:
                cluster.CreatePipeline(prefix, Number(lanes, 1, MostPartitions));
                return $"pipeline {prefix}";
            case ["errors", var apiKey, var code, var count]:
                cluster.PushErrors((short)Number(apiKey, 0, short.MaxValue), ErrorNamed(code), Number(count, 1, MostErrors));
                return $"{count} errors";
            case ["down"]:
                cluster.Down();
                return "down";
            case ["up"]:
                cluster.Up();
                return "up";
            case ["rtt", var milliseconds]:
                cluster.SetRoundTripTime(Number(milliseconds, 0, 60_000));
                return $"rtt {milliseconds}";
            case ["help"]:
                return Help;
            default:
                throw new CommandException($"unknown command; the commands are: {Help}");
        }
    }

    private static int Number(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new CommandException($"{text} is not a number from {least} to {most}");

    // By number, as in the protocol (negative numbers are librdkafka's: -195 cuts the connection), or by Confluent.Kafka's name.
    private static ErrorCode ErrorNamed(string text) =>
        Enum.TryParse<ErrorCode>(text, ignoreCase: true, out var code) ? code : throw new CommandException($"{text} is not an error code");
}

/// <summary>A command failed; the message is the answer to the caller.</summary>
internal sealed class CommandException(string message) : Exception(message);
