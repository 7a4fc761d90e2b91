using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// Writes a connection's output directly to its socket, without the pipe and second thread that Kestrel puts in between. A sender with a message for
/// many connections can write it to one after the other with <see cref="TrySend"/>, in a few microseconds each, between Kestrel's own writes.
/// </summary>
internal sealed class DirectOutput : Stream
{
    private static readonly StreamPipeWriterOptions Buffering = new(minimumBufferSize: 64 * 1024, leaveOpen: true);   // bytes per send

    private const int LinuxTcp = 6;       // IPPROTO_TCP, TCP_INFO and the offset of tcpi_unacked: linux/tcp.h
    private const int LinuxTcpInfo = 11;
    private const int TcpInfoUnacknowledged = 24;

    private readonly ConnectionContext _connection;
    private readonly Socket _socket;
    private readonly Lock _gate = new();
    private Task _sending = Task.CompletedTask;   // guarded by _gate, like _mayWait
    private bool _mayWait;

    private DirectOutput(ConnectionContext connection, Socket socket)
    {
        (_connection, _socket) = (connection, socket);
        socket.Blocking = false;   // for SendNow; SendAsync never blocks a thread anyway
    }

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Applies to all accepted TCP connections; other connections are unchanged.</summary>
    public static void Use(ListenOptions listen) => listen.Use(next => connection =>
    {
        var feature = connection.Features.Get<IConnectionSocketFeature>();
        if (feature is { Socket: { AddressFamily: AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 } socket })
        {
            var output = new DirectOutput(connection, socket);
            connection.Features.Set(output);
            connection.Transport = new Pipes(connection.Transport.Input, PipeWriter.Create(output, Buffering));
        }
        return next(connection);
    });

    /// <summary>Whether sent or queued data is not acknowledged by the client yet, according to the kernel (Linux only).</summary>
    public bool IsUnacknowledged
    {
        get
        {
            Span<byte> info = stackalloc byte[TcpInfoUnacknowledged + sizeof(uint)];
            try
            {
                return OperatingSystem.IsLinux()
                    && _socket.GetRawSocketOption(LinuxTcp, LinuxTcpInfo, info) == info.Length
                    && BitConverter.ToUInt32(info[TcpInfoUnacknowledged..]) > 0;
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    /// <summary>
    /// Sends a message now, between other writes. Null: nothing was sent, because the socket's buffer is full or another write is in progress. An
    /// incomplete task: the rest is being sent, and later writes follow it.
    /// </summary>
    /// <param name="mayWait">
    /// Whether the kernel may hold the message until the client has acknowledged earlier data (Nagle, RFC 896), and join it with later ones. A client
    /// that reads at once gets it at once; one that does not costs a third as much per message.
    /// </param>
    public Task? TrySend(ReadOnlyMemory<byte> message, bool mayWait)
    {
        lock (_gate)
        {
            if (!_sending.IsCompleted)
                return null;
            var sent = SendNow(message.Span, mayWait, out var error);
            if (sent == message.Length)
                return Task.CompletedTask;
            if (error == SocketError.Success)
                return _sending = SendAsync(message[sent..], CancellationToken.None);
            return null;   // the next write detects a closed connection
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Task sending;
        while (true)
        {
            lock (_gate)
            {
                sending = _sending;
                if (sending.IsCompleted)
                {
                    _sending = sending = SendAsync(buffer, cancellationToken);
                    break;
                }
            }
            await sending.WaitAsync(cancellationToken);
        }
        await sending;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Nothing here is written synchronously");

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async Task SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        try
        {
            while (data.Length > 0)
            {
                var sent = SendNow(data.Span, mayWait: false, out var error);
                if (error == SocketError.WouldBlock)
                    sent = await _socket.SendAsync(data, cancellationToken);
                else if (error != SocketError.Success)
                    throw new SocketException((int)error);
                data = data[sent..];
            }
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // As with Kestrel's own pipe: the reader gets the error, not the writer.
            _connection.Abort(new ConnectionAbortedException("The client has closed the connection", gone));
        }
    }

    private int SendNow(ReadOnlySpan<byte> data, bool mayWait, out SocketError error)
    {
        try
        {
            if (_mayWait != mayWait)
                _socket.NoDelay = !(_mayWait = mayWait);
            return _socket.Send(data, SocketFlags.None, out error);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            error = SocketError.Shutdown;
            return 0;
        }
    }

    private sealed record Pipes(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
