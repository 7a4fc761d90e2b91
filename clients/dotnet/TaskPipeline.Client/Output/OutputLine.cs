using System.Text.Json.Serialization;

namespace TaskPipeline.Client;

/// <summary>One line of output.</summary>
public sealed record OutputLine
{
    /// <summary>The attempt that printed it.</summary>
    [JsonInclude]
    public int Attempt { get; internal set; }

    /// <summary>Counts from 1 in each attempt.</summary>
    public required long Seq { get; init; }

    /// <summary>Where it was printed.</summary>
    public required OutputStream Stream { get; init; }

    /// <summary>Without its line feed.</summary>
    public required string Text { get; init; }

    /// <summary>When it was read.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Number of this part of a long line, from 1; missing where the line is whole.</summary>
    public int? Part { get; init; }

    /// <summary>Of a part: whether it is the last one.</summary>
    public bool? Last { get; init; }

    /// <summary>How many bytes of it are left out, because it is too long.</summary>
    public long? Cut { get; init; }
}

/// <summary>Where a line was printed. The numbers are those that go into the hash of an output.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<OutputStream>))]
public enum OutputStream
{
    /// <summary>The agent's stdout.</summary>
    [JsonStringEnumMemberName("stdout")]
    Stdout = 1,

    /// <summary>The agent's stderr.</summary>
    [JsonStringEnumMemberName("stderr")]
    Stderr = 2,

    /// <summary>It is not the agent's, but tells of its run.</summary>
    [JsonStringEnumMemberName("system")]
    System = 3,
}

/// <summary>Which lines of an output to read; what is missing does not matter.</summary>
public sealed record OutputOptions
{
    /// <summary>Begin at the line of this number, of <see cref="Attempt"/> or else of the latest attempt.</summary>
    public long? Seq { get; init; }

    /// <summary>Begin behind this place.</summary>
    public string? After { get; init; }

    /// <summary>Only of this attempt.</summary>
    public int? Attempt { get; init; }

    /// <summary>Only of these streams.</summary>
    public IReadOnlyCollection<OutputStream>? Streams { get; init; }

    /// <summary>Only lines that have this text, in upper or lower case.</summary>
    public string? Search { get; init; }

    /// <summary>At most so many.</summary>
    public int? Limit { get; init; }
}
