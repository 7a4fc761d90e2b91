using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Running;

namespace TaskPipeline.TaskWorker.Reporting;

/// <summary>
/// Turns an attempt's two outputs into numbered lines in batches. The two readers hand over what they have; one loop numbers, hashes and
/// publishes, so the order of lines is the order in which they were read. The agent never waits for Kafka: what that does not take yet is spooled.
/// </summary>
internal sealed class OutputPublisher : IDisposable
{
    private const int BatchBytes = 64 * 1024;
    private const int BatchLines = 2000;
    private const int RecordsInFlight = 64;
    private const int MostEventCharacters = 8 * 1024;
    private const int ReadBytes = 32 * 1024;
    private static readonly TimeSpan BatchWait = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan PartialWait = TimeSpan.FromMilliseconds(250);

    private readonly AttemptLog _log;
    private readonly OutputText _text;
    private readonly TimeProvider _clock;
    private readonly (long Lines, long Bytes) _limit;
    private readonly Action _limitReached;
    private readonly OutputSpool _spool;
    private readonly Channel<bool> _inFlight = Channel.CreateBounded<bool>(RecordsInFlight);   // one entry per record that Kafka does not have yet
    private readonly OutputHash _hash = new();
    private readonly StringTail _errorTail = new(maxLines: 20, maxCharacters: 2000);
    private readonly Task _publishing;
    private long _taken;   // lines within the limit
    private long _bytes;
    private long _lines;   // published ones
    private string? _lastObject;   // the last line of stdout that looks like a JSON object

    public OutputPublisher(AttemptLog log, OutputText text, string spoolFolder, (long Lines, long Bytes) limit, Action limitReached, TimeProvider clock)
    {
        _spool = new OutputSpool(spoolFolder);
        _log = log;
        _text = text;
        _limit = limit;
        _limitReached = limitReached;
        _clock = clock;
        _publishing = Task.Run(PublishAsync);
    }

    /// <summary>Reads an output to its end. A line that stays unfinished is handed on after a moment, so that a prompt is seen.</summary>
    public async Task ReadAsync(OutputStream name, Stream stream, CancellationToken giveUp)
    {
        var lines = new List<SpooledLine>();
        var now = _clock.GetUtcNow();
        var splitter = new LineSplitter(part =>
        {
            var line = new SpooledLine(name, _text.Of(part.Bytes), part.Part, part.Last, now);
            if (IsWithinLimit(line))
                lines.Add(line);
        });
        var buffer = new byte[ReadBytes];
        try
        {
            while (true)
            {
                var reading = stream.ReadAsync(buffer, CancellationToken.None).AsTask();
                if (splitter.HasPartial && !await IsDoneIn(reading, PartialWait, giveUp))
                {
                    now = _clock.GetUtcNow();
                    splitter.FlushPartial();
                    await SpoolAsync();
                }
                var length = await reading.WaitAsync(giveUp);
                if (length == 0)
                    break;
                now = _clock.GetUtcNow();
                splitter.Feed(buffer.AsSpan(0, length));
                await SpoolAsync();
            }
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            // Something that outlived the agent and the sweep holds the pipe; what it may still say belongs to nobody.
        }
        catch (IOException)
        {
            // The pipe broke: as good as its end.
        }
        splitter.Complete();
        await SpoolAsync();

        async ValueTask SpoolAsync()
        {
            await _spool.AddAsync(lines);
            lines.Clear();
        }
    }

    /// <summary>Both outputs are read: publishes the rest. What follows in the log comes behind every line.</summary>
    public async Task<OutputSummary> CompleteAsync()
    {
        _spool.Complete();
        await _publishing;
        return new OutputSummary(_lines, _hash.ToString(), _errorTail.ToString(), Event());
    }

    public void Dispose()
    {
        _hash.Dispose();
        _spool.Dispose();
    }

    private async Task PublishAsync()
    {
        var batch = new List<OutputLine>();
        while (await _spool.WaitAsync())
        {
            // What is there goes out at once after a quiet moment; under load a batch fills while the one before is on its way.
            var size = Fill(batch);
            if (size < BatchBytes && batch.Count < BatchLines && _inFlight.Reader.Count > 0)
            {
                await Task.Delay(BatchWait, _clock);
                Fill(batch, size);
            }
            if (batch.Count == 0)
                continue;
            await _inFlight.Writer.WriteAsync(true);
            _log.Lines([.. batch], () => _inFlight.Reader.TryRead(out _));
            batch.Clear();
        }
    }

    /// <summary>What the agent prints beyond its limit, until it has ended, is read and dropped.</summary>
    private bool IsWithinLimit(SpooledLine line)
    {
        var length = Encoding.UTF8.GetByteCount(line.Text) + 1;
        if (Interlocked.Add(ref _bytes, length) - length < _limit.Bytes && Interlocked.Increment(ref _taken) <= _limit.Lines)
            return true;
        _limitReached();
        return false;
    }

    private int Fill(List<OutputLine> batch, int size = 0)
    {
        while (size < BatchBytes && batch.Count < BatchLines && _spool.TryTake(out var read))
        {
            var line = new OutputLine(++_lines, read.Stream, read.Text, read.At, read.Part, read.Last);
            size += Encoding.UTF8.GetByteCount(line.Text) + 1;
            _hash.Add(line);
            if (line.Stream == OutputStream.Stderr)
                _errorTail.Add(line.Text);
            else if (line is { Stream: OutputStream.Stdout, Part: null, Text: { Length: <= MostEventCharacters } and ['{', .., '}'] })
                _lastObject = line.Text;
            batch.Add(line);
        }
        return size;
    }

    private JsonElement? Event()
    {
        try
        {
            if (_lastObject is null)
                return null;
            var last = JsonElement.Parse(_lastObject);
            using var writer = new Utf8JsonWriter(Stream.Null);
            last.WriteTo(writer);
            return last;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;   // no JSON, or with half a character, which can be read but not be written
        }
    }

    private static async Task<bool> IsDoneIn(Task task, TimeSpan wait, CancellationToken giveUp) =>
        await Task.WhenAny(task, Task.Delay(wait, giveUp)) == task;

    /// <summary>The last few lines of a text, in bounded memory.</summary>
    private sealed class StringTail(int maxLines, int maxCharacters)
    {
        private readonly Queue<string> _lines = [];
        private int _characters;

        public void Add(string line)
        {
            var kept = line.Length <= maxCharacters ? line : line[^maxCharacters..];
            _lines.Enqueue(kept);
            _characters += kept.Length;
            while (_lines.Count > maxLines || _characters > maxCharacters)
                _characters -= _lines.Dequeue().Length;
        }

        public override string ToString() => string.Join('\n', _lines);
    }
}

/// <summary>What an attempt has published.</summary>
/// <param name="Lines">How many.</param>
/// <param name="Hash">As <see cref="OutputHash"/> has it.</param>
/// <param name="ErrorTail">The last few lines of stderr.</param>
/// <param name="Event">The last line of stdout that was a JSON object.</param>
internal sealed record OutputSummary(long Lines, string Hash, string ErrorTail, JsonElement? Event);
