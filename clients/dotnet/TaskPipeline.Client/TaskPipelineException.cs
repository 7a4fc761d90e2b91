using System.Net;

namespace TaskPipeline.Client;

/// <summary>The server has refused a request, or has answered something that no client can use. The message is for people.</summary>
public class TaskPipelineException : Exception
{
    internal TaskPipelineException(string message, Exception? cause = null) : base(message, cause)
    {
    }

    /// <summary>The answer's status; null where it was none over HTTP.</summary>
    public HttpStatusCode? Status { get; internal init; }

    /// <summary>Why a watch socket was closed; null where it was something else.</summary>
    public int? CloseCode { get; internal init; }

    /// <summary>What is wrong with each field, where fields are wrong.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Errors { get; internal init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>How long to wait before asking again, where the server says so.</summary>
    public TimeSpan? RetryAfter { get; internal init; }
}

/// <summary>There is no connection to the server.</summary>
public sealed class ServerUnreachableException : TaskPipelineException
{
    internal ServerUnreachableException(string message, Exception? cause = null) : base(message, cause)
    {
    }

    /// <summary>Of a watch that has begun: where to come back to (<see cref="WatchOptions.From"/>).</summary>
    public string? Cursor { get; internal init; }
}
