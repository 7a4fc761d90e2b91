using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Holds lines between the agent, which must not wait for Kafka, and Kafka, which can be slow or away. Few lines are held in memory, more in a file
/// that disappears with the worker. First in, first out. Only if the disk is full too does the agent wait.
/// </summary>
internal sealed class OutputSpool(string folder) : IDisposable
{
    private const int MostInMemory = 1024 * 1024;   // bytes of text
    private const int LoadBytes = 128 * 1024;

    // Length, time, stream, whether the part is the last, part, cut.
    private const int HeadBytes = sizeof(int) + sizeof(long) + 1 + 1 + sizeof(int) + sizeof(long);

    private readonly Lock _gate = new();
    private readonly Queue<SpooledLine> _memory = [];
    private readonly SemaphoreSlim _news = new(0);
    private readonly SemaphoreSlim _room = new(0);
    private byte[] _loading = [];   // reused, because large arrays are expensive to allocate
    private int _inMemory;
    private SafeFileHandle? _file;
    private long _written;   // position in the file, like _loaded
    private long _loaded;
    private int _waiting;    // callers that wait for room
    private bool _isComplete;

    /// <summary>Adds lines, in order.</summary>
    public async ValueTask AddAsync(IReadOnlyList<SpooledLine> lines)
    {
        if (lines.Count == 0)
            return;
        while (!TryAdd(lines))
            await _room.WaitAsync();
        Signal();
    }

    /// <summary>No line follows.</summary>
    public void Complete()
    {
        lock (_gate)
            _isComplete = true;
        Signal();
    }

    /// <summary>Waits for a line; false: there will be none.</summary>
    public async ValueTask<bool> WaitAsync()
    {
        while (true)
        {
            lock (_gate)
            {
                if (_memory.Count > 0 || _loaded < _written)
                    return true;
                if (_isComplete)
                    return false;
            }
            await _news.WaitAsync();
        }
    }

    public bool TryTake(out SpooledLine line)
    {
        lock (_gate)
        {
            if (_memory.Count == 0 && _loaded < _written)
                Load();
            if (!_memory.TryDequeue(out line!))
                return false;
            _inMemory -= line.Text.Length;
            if (_waiting > 0 && _memory.Count == 0)
            {
                _room.Release(_waiting);
                _waiting = 0;
            }
            return true;
        }
    }

    public void Dispose()
    {
        _file?.Dispose();
        _news.Dispose();
        _room.Dispose();
    }

    private void Signal()
    {
        if (_news.CurrentCount == 0)
            _news.Release();
    }

    private bool TryAdd(IReadOnlyList<SpooledLine> lines)
    {
        lock (_gate)
        {
            // Lines in the file come before new ones.
            if (_loaded == _written && (_inMemory < MostInMemory || _memory.Count == 0))
            {
                foreach (var line in lines)
                    Remember(line);
                return true;
            }
            if (TryWrite(lines))
                return true;
            _waiting++;
            return false;
        }
    }

    private void Remember(SpooledLine line)
    {
        _memory.Enqueue(line);
        _inMemory += line.Text.Length;
    }

    private bool TryWrite(IReadOnlyList<SpooledLine> lines)
    {
        var bytes = new byte[lines.Sum(line => HeadBytes + Encoding.UTF8.GetByteCount(line.Text))];
        var rest = bytes.AsSpan();
        foreach (var line in lines)
        {
            var length = Encoding.UTF8.GetBytes(line.Text, rest[HeadBytes..]);
            BinaryPrimitives.WriteInt32LittleEndian(rest, length);
            BinaryPrimitives.WriteInt64LittleEndian(rest[4..], line.At.UtcTicks);
            rest[12] = (byte)line.Stream;
            rest[13] = (byte)(line.Last is null ? 0 : line.Last.Value ? 2 : 1);
            BinaryPrimitives.WriteInt32LittleEndian(rest[14..], line.Part ?? 0);
            BinaryPrimitives.WriteInt64LittleEndian(rest[18..], line.Cut ?? 0);
            rest = rest[(HeadBytes + length)..];
        }
        try
        {
            RandomAccess.Write(_file ??= Create(), bytes, _written);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;   // the disk is full: wait until Kafka has taken earlier lines
        }
        _written += bytes.Length;
        return true;
    }

    /// <summary>Loads the oldest lines from the file into memory.</summary>
    private void Load()
    {
        var bytes = Read(LoadBytes);
        if (LengthOfFirst(bytes) is var first && first > bytes.Length)
            bytes = Read(first);
        var rest = bytes;
        while (rest.Length >= HeadBytes && LengthOfFirst(rest) <= rest.Length)
        {
            var length = LengthOfFirst(rest);
            var part = BinaryPrimitives.ReadInt32LittleEndian(rest[14..]);
            var cut = BinaryPrimitives.ReadInt64LittleEndian(rest[18..]);
            Remember(new SpooledLine(
                (OutputStream)rest[12],
                Encoding.UTF8.GetString(rest[HeadBytes..length]),
                part == 0 ? null : part,
                rest[13] == 0 ? null : rest[13] == 2,
                new DateTimeOffset(BinaryPrimitives.ReadInt64LittleEndian(rest[4..]), TimeSpan.Zero),
                cut == 0 ? null : cut));
            rest = rest[length..];
            _loaded += length;
        }
        if (_loaded < _written)
            return;
        RandomAccess.SetLength(_file!, 0);
        (_loaded, _written) = (0, 0);
    }

    private Span<byte> Read(int most)
    {
        if (_loading.Length < most)
            _loading = new byte[most];
        var bytes = _loading.AsSpan(0, (int)Math.Min(most, _written - _loaded));
        for (var read = 0; read < bytes.Length;)
            read += RandomAccess.Read(_file!, bytes[read..], _loaded + read) is > 0 and var got
                ? got
                : throw new IOException("the file that holds the agent's output was truncated");
        return bytes;
    }

    private static int LengthOfFirst(ReadOnlySpan<byte> bytes) => HeadBytes + BinaryPrimitives.ReadInt32LittleEndian(bytes);

    private SafeFileHandle Create()
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, Guid.NewGuid().ToString("N"));
        var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Delete, FileOptions.DeleteOnClose);
        if (!OperatingSystem.IsWindows())
            File.Delete(path);   // unlinked at once, so it cannot outlive the worker
        return file;
    }
}

/// <summary>A line, or a part of one, as it was read.</summary>
internal sealed record SpooledLine(OutputStream Stream, string Text, int? Part, bool? Last, DateTimeOffset At, long? Cut = null);
