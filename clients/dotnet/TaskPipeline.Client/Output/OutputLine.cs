using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>One line of output.</summary>
public sealed record OutputLine
{
    /// <summary>The attempt that printed it.</summary>
    [JsonInclude]
    public int Attempt { get; internal set; }

    /// <summary>Line number, from 1 in each attempt.</summary>
    public required long Seq { get; init; }

    /// <summary>The stream that it was printed to.</summary>
    public required OutputStream Stream { get; init; }

    /// <summary>Text without the line feed.</summary>
    public required string Text { get; init; }

    /// <summary>When it was read.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Number of this part of a long line, from 1; null if the line is whole.</summary>
    public int? Part { get; init; }

    /// <summary>Of a part: whether it is the last part.</summary>
    public bool? Last { get; init; }

    /// <summary>How many bytes were left out because the line is too long.</summary>
    public long? Cut { get; init; }
}

/// <summary>Stream of a line. The numbers are part of the hash of an output.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<OutputStream>))]
public enum OutputStream
{
    /// <summary>The agent's stdout.</summary>
    [JsonStringEnumMemberName("stdout")]
    Stdout = 1,

    /// <summary>The agent's stderr.</summary>
    [JsonStringEnumMemberName("stderr")]
    Stderr = 2,

    /// <summary>Not printed by the agent: messages about its run.</summary>
    [JsonStringEnumMemberName("system")]
    System = 3,
}

/// <summary>Which lines of an output to read; null does not filter.</summary>
public sealed record OutputOptions
{
    /// <summary>Begin at this line of <see cref="Attempt"/>, or of the latest attempt.</summary>
    public long? Seq { get; init; }

    /// <summary>Begin after this cursor.</summary>
    public string? After { get; init; }

    /// <summary>Only lines of this attempt.</summary>
    public int? Attempt { get; init; }

    /// <summary>Only lines of these streams.</summary>
    public IReadOnlyCollection<OutputStream>? Streams { get; init; }

    /// <summary>Only lines that contain this text, in upper or lower case.</summary>
    public string? Search { get; init; }

    /// <summary>Maximum number of lines.</summary>
    public int? Limit { get; init; }
}
