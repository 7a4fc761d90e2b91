using System.Net.WebSockets;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// Close codes of a watch socket. 4000 to 4499 and 1001: reconnect, at the place in the reason or at the last cursor. 4500 to 4999: do not reconnect.
/// Clients match on these numbers: add new ones, never reuse one.
/// </summary>
internal static class CloseCodes
{
    /// <summary>The task has ended and everything was sent.</summary>
    public const WebSocketCloseStatus Ended = WebSocketCloseStatus.NormalClosure;

    /// <summary>This replica shuts down; every other replica understands the same cursor.</summary>
    public const WebSocketCloseStatus Draining = WebSocketCloseStatus.EndpointUnavailable;

    /// <summary>Commands are text messages.</summary>
    public const WebSocketCloseStatus NotText = WebSocketCloseStatus.InvalidMessageType;

    /// <summary>Commands are UTF-8. The framework sends this code itself for invalid UTF-8 and for other violations of the protocol.</summary>
    public const WebSocketCloseStatus NotUtf8 = WebSocketCloseStatus.InvalidPayloadData;

    /// <summary>A command can have at most 4 KiB.</summary>
    public const WebSocketCloseStatus TooBig = WebSocketCloseStatus.MessageTooBig;

    /// <summary>The client accepted no data for too long. The reason is the cursor to reconnect with.</summary>
    public const WebSocketCloseStatus TooSlow = (WebSocketCloseStatus)4008;

    /// <summary>This replica cannot answer yet.</summary>
    public const WebSocketCloseStatus NotReady = (WebSocketCloseStatus)4013;

    /// <summary>There are too many watchers; the reason names the limit.</summary>
    public const WebSocketCloseStatus TooMany = (WebSocketCloseStatus)4029;

    /// <summary>There is no such task.</summary>
    public const WebSocketCloseStatus UnknownTask = (WebSocketCloseStatus)4504;

    /// <summary>The query is invalid; the reason says why.</summary>
    public const WebSocketCloseStatus BadRequest = (WebSocketCloseStatus)4505;
}
