using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace TaskPipeline.TaskApi.Http;

/// <summary>
/// What a connection sends, given to its socket at once, without the pipe and the second thread that Kestrel has in between. So whoever has a message for
/// many connections can give it to them one after the other (<see cref="TrySend"/>), between what Kestrel itself writes, in a few microseconds each.
/// </summary>
internal sealed class DirectOutput : Stream
{
    private static readonly StreamPipeWriterOptions Buffering = new(minimumBufferSize: 64 * 1024, leaveOpen: true);   // what is sent at once

    private const int LinuxTcp = 6;       // IPPROTO_TCP, TCP_INFO and where tcpi_unacked is in it: linux/tcp.h
    private const int LinuxTcpInfo = 11;
    private const int TcpInfoUnacknowledged = 24;

    private readonly ConnectionContext _connection;
    private readonly Socket _socket;
    private readonly Lock _gate = new();
    private Task _sending = Task.CompletedTask;   // guarded by the gate, as is the next
    private bool _mayWait;

    private DirectOutput(ConnectionContext connection, Socket socket)
    {
        (_connection, _socket) = (connection, socket);
        socket.Blocking = false;   // of what is sent without waiting; what waits never blocks a thread
    }

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>For all TCP connections that are accepted there; others are left as they are.</summary>
    public static void Use(ListenOptions listen) => listen.Use(next => connection =>
    {
        if (connection.Features.Get<IConnectionSocketFeature>(
            ) is { Socket: { AddressFamily: AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 } socket })
        {
            var output = new DirectOutput(connection, socket);
            connection.Features.Set(output);
            connection.Transport = new Pipes(connection.Transport.Input, PipeWriter.Create(output, Buffering));
        }
        return next(connection);
    });

    /// <summary>Whether something is on the way to the client, or waits for that, as far as the operating system tells (Linux).</summary>
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
    /// Sends a message now, between others. Null: nothing of it was sent, because the socket takes nothing or something else is on its way. A task that is
    /// not completed: its rest is on its way, and whatever is written next comes behind it.
    /// </summary>
    /// <param name="mayWait">
    /// Whether it may wait until the client has acknowledged what was sent before (RFC 896), together with what comes meanwhile: a client that reads at
    /// once has it at once, and to one that does not a message costs a third.
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
            return null;   // where the connection is gone, who writes next finds out
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
            // As with Kestrel's own pipe: who writes is not told, who reads is.
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
