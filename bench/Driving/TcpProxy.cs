using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace TaskPipeline.Bench.Driving;

/// <summary>Forwards connections to a local port, and can cut them all at once.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<(Socket Near, Socket Far), bool> _open = [];
    private readonly Task _accepting;

    private TcpProxy(int target)
    {
        Target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The target of new connections.</summary>
    public int Target { get; set; }

    public static TcpProxy Start(int target) => new(target);

    /// <summary>Resets all connections. New ones are accepted as before.</summary>
    public void Cut()
    {
        foreach (var pair in _open.Keys)
            Close(pair);
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
        Cut();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                _ = PassAsync(await _listener.AcceptSocketAsync());
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return;   // disposed
            }
        }
    }

    private async Task PassAsync(Socket near)
    {
        var pair = (Near: near, Far: new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        _open[pair] = true;
        try
        {
            await pair.Far.ConnectAsync(IPAddress.Loopback, Target);
            near.NoDelay = pair.Far.NoDelay = true;
            await await Task.WhenAny(PumpAsync(near, pair.Far), PumpAsync(pair.Far, near));
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // One side has ended, or the connection was cut; the other side is closed below.
        }
        Close(pair);
    }

    private static async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[64 * 1024];
        while (await from.ReceiveAsync(buffer) is var read and > 0)
            for (var sent = 0; sent < read;)
                sent += await to.SendAsync(buffer.AsMemory(sent, read - sent));
    }

    private void Close((Socket Near, Socket Far) pair)
    {
        if (!_open.TryRemove(pair, out _))
            return;
        pair.Near.Close(0);
        pair.Far.Close(0);
    }
}
