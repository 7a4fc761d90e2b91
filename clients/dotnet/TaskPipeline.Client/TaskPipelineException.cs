using System.Net;

namespace TaskPipeline.Client;

/// <summary>The server refused a request, or its answer is not one of a TaskPipeline. The message is for people.</summary>
public class TaskPipelineException : Exception
{
    internal TaskPipelineException(string message, Exception? cause = null) : base(message, cause)
    {
    }

    /// <summary>HTTP status of the answer; null without one.</summary>
    public HttpStatusCode? Status { get; internal init; }

    /// <summary>Close code of the watch socket; null if something else failed.</summary>
    public int? CloseCode { get; internal init; }

    /// <summary>What is wrong, by the name of the field; empty if the server named no field.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Errors { get; internal init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>How long to wait before the next try, if the server said so.</summary>
    public TimeSpan? RetryAfter { get; internal init; }
}

/// <summary>The server cannot be reached.</summary>
public sealed class ServerUnreachableException : TaskPipelineException
{
    internal ServerUnreachableException(string message, Exception? cause = null) : base(message, cause)
    {
    }

    /// <summary>The cursor of a watch that had begun: continue there (<see cref="WatchOptions.From"/>).</summary>
    public string? Cursor { get; internal init; }
}
