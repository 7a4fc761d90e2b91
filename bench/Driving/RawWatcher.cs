using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// A watcher with the lowest possible cost: it implements just enough of WebSocket to receive text, finds the line numbers in the bytes and checks that each
/// follows the previous one. So the same watcher can measure every server whose messages have <c>"seq":N,…"text":"…"</c>.
/// </summary>
/// <param name="untimed">The texts of the lines begin with the machine's clock, which is read after this many lines; null: it is not read.</param>
internal sealed class RawWatcher(int? untimed = null) : IDisposable
{
    private const int BufferBytes = 64 * 1024;
    private static readonly TimeSpan LookForEnd = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(60);

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private byte[] _rest = [];   // the beginning of a number that is not complete yet

    /// <summary>Milliseconds from the writing of each line to its arrival; null: not timed.</summary>
    public List<double>? Ages { get; } = untimed is null ? null : [];

    /// <summary>Number of the last line.</summary>
    public long Last { get; private set; }

    public long Lines { get; private set; }

    /// <summary>How many lines did not follow the previous one.</summary>
    public long Wrong { get; private set; }

    /// <summary>When the last line arrived.</summary>
    public long LastAt { get; private set; }

    /// <summary>Blocks. A socket that never waited asynchronously is in no epoll set, so arriving data wake no thread.</summary>
    public void Connect(IPEndPoint server, string path)
    {
        _socket.Connect(server);
        _socket.Send(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
        _socket.ReceiveTimeout = (int)AnswerTimeout.TotalMilliseconds;
        var answer = new byte[1024];
        for (var length = 0; ;)
        {
            var received = _socket.Receive(answer.AsSpan(length, 1));   // byte by byte, because the following bytes belong to the messages
            length += received;
            if (received == 0 || length == answer.Length)
                throw new BenchException($"{server}{path} refused to be watched: {Encoding.ASCII.GetString(answer, 0, length)}");
            if (answer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
                break;
        }
        if (!answer.AsSpan().StartsWith("HTTP/1.1 101"u8))
            throw new BenchException($"{server}{path} refused to be watched: {Encoding.ASCII.GetString(answer).Split('\r')[0]}");
    }

    /// <summary>Reads from all watchers as soon as data arrive, until each has that line or its server has closed.</summary>
    public static void ReadAtOnce(IEnumerable<RawWatcher> watchers, long until, CancellationToken over)
    {
        var buffer = new byte[BufferBytes];
        var reading = watchers.ToDictionary(watcher => watcher._socket);
        while (reading.Count > 0 && !over.IsCancellationRequested)
        {
            var readable = reading.Keys.ToList();
            Socket.Select(readable, null, null, LookForEnd);
            foreach (var socket in readable)
                if (!reading[socket].Drain(buffer) || reading[socket].Last >= until)
                    reading.Remove(socket);
        }
    }

    /// <summary>Reads what has arrived, without waiting; false: the server has closed.</summary>
    /// <param name="buffer">A buffer that is used during the call.</param>
    public bool Drain(Span<byte> buffer)
    {
        _socket.Blocking = false;
        while (true)
        {
            _rest.CopyTo(buffer);
            var received = _socket.Receive(buffer[_rest.Length..], SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
                return true;
            if (received == 0)
                return false;
            LastAt = Stopwatch.GetTimestamp();
            var data = buffer[..(_rest.Length + received)];
            _rest = data[Scan(data)..].ToArray();
            if (data.Length < buffer.Length)
                return true;
        }
    }

    /// <summary>
    /// Sends a pong that was not requested. A server that receives something now and then sends no pings, which this watcher would not answer.
    /// </summary>
    public void ShowLife() => _socket.Send([0x8A, 0x80, 0, 0, 0, 0]);

    public void Dispose() => _socket.Dispose();

    /// <summary>Returns how many bytes are processed.</summary>
    private int Scan(ReadOnlySpan<byte> data)
    {
        var mark = "\"seq\":"u8;
        for (var at = 0; ;)
        {
            var found = data[at..].IndexOf(mark);
            if (found < 0)
                return Math.Max(at, data.Length - mark.Length + 1);
            var rest = data[(at + found + mark.Length)..];
            if (!Utf8Parser.TryParse(rest, out long seq, out var digits) || digits == rest.Length || (seq > untimed && !TakeAge(rest)))
                return at + found;
            if (seq != Last + 1)
                Wrong++;
            Last = seq;
            Lines++;
            at += found + mark.Length + digits;
        }
    }

    /// <summary>False: its text has not arrived yet.</summary>
    private bool TakeAge(ReadOnlySpan<byte> line)
    {
        var mark = "\"text\":\""u8;
        var found = line.IndexOf(mark);
        if (found < 0 || !Utf8Parser.TryParse(line[(found + mark.Length)..], out long printed, out var digits) || found + mark.Length + digits == line.Length)
            return false;
        Ages!.Add(Stopwatch.GetElapsedTime(printed, LastAt).TotalMilliseconds);
        return true;
    }
}
