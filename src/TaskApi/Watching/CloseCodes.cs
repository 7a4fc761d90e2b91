using System.Net.WebSockets;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// How a watch socket is closed. The range says what to do: 4000 to 4499, and 1001, come back (where to, the reason says or the last cursor);
/// 4500 to 4999, do not. Clients match on these numbers: add, never re-purpose.
/// </summary>
internal static class CloseCodes
{
    /// <summary>The task has ended and everything was sent.</summary>
    public const WebSocketCloseStatus Ended = WebSocketCloseStatus.NormalClosure;

    /// <summary>This replica shuts down; another one knows the same cursor.</summary>
    public const WebSocketCloseStatus Draining = WebSocketCloseStatus.EndpointUnavailable;

    /// <summary>Commands are text.</summary>
    public const WebSocketCloseStatus NotText = WebSocketCloseStatus.InvalidMessageType;

    /// <summary>Commands are UTF-8. The framework says so by itself, as soon as it has read one that is not, or breaks the protocol in another way.</summary>
    public const WebSocketCloseStatus NotUtf8 = WebSocketCloseStatus.InvalidPayloadData;

    /// <summary>A command may have 4 KiB.</summary>
    public const WebSocketCloseStatus TooBig = WebSocketCloseStatus.MessageTooBig;

    /// <summary>The client took no data for too long. The reason is the cursor to come back with.</summary>
    public const WebSocketCloseStatus TooSlow = (WebSocketCloseStatus)4008;

    /// <summary>This replica cannot answer yet.</summary>
    public const WebSocketCloseStatus NotReady = (WebSocketCloseStatus)4013;

    /// <summary>Too many watch already; the reason says where.</summary>
    public const WebSocketCloseStatus TooMany = (WebSocketCloseStatus)4029;

    /// <summary>There is no such task.</summary>
    public const WebSocketCloseStatus UnknownTask = (WebSocketCloseStatus)4504;

    /// <summary>The query can't be understood; the reason says what.</summary>
    public const WebSocketCloseStatus BadRequest = (WebSocketCloseStatus)4505;
}
