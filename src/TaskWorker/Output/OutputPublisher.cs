using System.Threading.Channels;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Turns an attempt's two outputs into numbered lines in batches. Two readers pass on what they read; one loop numbers, hashes and publishes, so
/// lines are in the order in which they were read. The agent never waits for Kafka: lines that Kafka does not accept yet are spooled.
/// </summary>
internal sealed class OutputPublisher : IDisposable
{
    private const int BatchBytes = 24 * 1024;   // with its JSON, a record stays out of the large object heap
    private const int BatchLines = 2000;
    private const int RecordsInFlight = 32;
    private const int ReadBytes = 32 * 1024;
    private static readonly TimeSpan BatchWait = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan PartialWait = TimeSpan.FromMilliseconds(250);

    private readonly AttemptLog _log;
    private readonly SecretForms _secrets;
    private readonly TimeProvider _clock;
    private readonly OutputLimit _limit;
    private readonly OutputSpool _spool;
    private readonly Channel<bool> _inFlight = Channel.CreateBounded<bool>(RecordsInFlight);   // one entry per unacknowledged record
    private readonly OutputHash _hash = new();
    private readonly LastLines _stdout = new(mostLines: 20, mostCharacters: 2000);
    private readonly LastLines _stderr = new(mostLines: 20, mostCharacters: 2000);
    private readonly AgentNotes _notes;
    private readonly Task _publishing;
    private long _lines;   // lines published or left out so far

    public OutputPublisher(AttemptLog log, SecretForms secrets, AgentNotes notes, string spoolFolder, OutputLimit limit, TimeProvider clock)
    {
        _spool = new OutputSpool(spoolFolder);
        _log = log;
        _secrets = secrets;
        _notes = notes;
        _limit = limit;
        _clock = clock;
        _publishing = Task.Run(PublishAsync);
    }

    /// <summary>Reads an output to its end. After a moment the part of an unfinished line is passed on, so that a prompt is visible.</summary>
    public async Task ReadAsync(OutputStream name, Stream stream, CancellationToken giveUp)
    {
        var lines = new List<SpooledLine>();
        var now = _clock.GetUtcNow();
        var text = new OutputText(_secrets, part =>
        {
            var line = new SpooledLine(name, part.Text, part.Part, part.Last, now, part.Cut);
            if (_limit.Takes(part.Size))
                lines.Add(line);
            else
                _limit.Tail?.Add(line, part.Size);
        });
        var splitter = new LineSplitter(text.Take);
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
                var cut = splitter.Cut;
                splitter.Feed(buffer.AsSpan(0, length));
                _limit.Count(splitter.Cut - cut);
                await SpoolAsync();
            }
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            // A process that survived the agent and the cleanup holds the pipe; its output belongs to no attempt.
        }
        catch (IOException)
        {
            // A broken pipe counts as the end.
        }
        splitter.Complete();
        text.Complete();
        await SpoolAsync();

        async ValueTask SpoolAsync()
        {
            await _spool.AddAsync(lines);
            lines.Clear();
        }
    }

    /// <summary>Both outputs have ended: publishes the rest. Later records in the log follow every line.</summary>
    public async Task<OutputSummary> CompleteAsync()
    {
        _spool.Complete();
        await _publishing;
        if (_limit.Tail is { } tail)
            await PublishAsync(tail);
        await SendNotesAsync(isLast: true);
        return new OutputSummary(_lines, _hash.ToString(), _stderr.ToString() is { Length: > 0 } errors ? errors : _stdout.ToString(), _notes);
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
            // After a quiet moment lines go out at once; under load a batch fills while the previous one is in flight.
            var size = Fill(batch);
            if (size < BatchBytes && batch.Count < BatchLines && _inFlight.Reader.Count > 0)
            {
                await Task.Delay(BatchWait, _clock);
                Fill(batch, size);
            }
            await SendAsync(batch);
        }
    }

    /// <summary>Publishes the tail beyond the limit, after the gap before it.</summary>
    private async Task PublishAsync(OutputTail tail)
    {
        if (tail.LeftOut > 0)
        {
            _log.Gap(_lines + 1, _lines + tail.LeftOut, tail.BytesLeftOut);
            _lines += tail.LeftOut;
        }
        var batch = new List<OutputLine>();
        var size = 0;
        foreach (var line in tail.Lines)
        {
            size += Add(batch, line);
            if (size < BatchBytes && batch.Count < BatchLines)
                continue;
            await SendAsync(batch);
            size = 0;
        }
        await SendAsync(batch);
    }

    private async ValueTask SendAsync(List<OutputLine> batch)
    {
        if (batch.Count == 0)
            return;
        await _inFlight.Writer.WriteAsync(true);
        _log.Lines([.. batch], () => _inFlight.Reader.TryRead(out _));
        batch.Clear();
        await SendNotesAsync(isLast: false);
    }

    /// <summary>Sends notes after the lines in which they were found.</summary>
    private async ValueTask SendNotesAsync(bool isLast)
    {
        while (_notes.Take(isLast) is { } note)
        {
            await _inFlight.Writer.WriteAsync(true);
            _log.AgentEvent(note, () => _inFlight.Reader.TryRead(out _));
        }
    }

    private int Fill(List<OutputLine> batch, int size = 0)
    {
        while (size < BatchBytes && batch.Count < BatchLines && _spool.TryTake(out var read))
            size += Add(batch, read);
        return size;
    }

    /// <summary>Adds a line; returns its bytes in the batch.</summary>
    private int Add(List<OutputLine> batch, SpooledLine read)
    {
        var line = new OutputLine(++_lines, read.Stream, read.Text, read.At, read.Part, read.Last, read.Cut);
        (line.Stream == OutputStream.Stderr ? _stderr : _stdout).Add(line);
        _notes.Read(line);
        batch.Add(line);
        return _hash.Add(line) + 1;
    }

    private static async Task<bool> IsDoneIn(Task task, TimeSpan wait, CancellationToken giveUp) =>
        await Task.WhenAny(task, Task.Delay(wait, giveUp)) == task;
}

/// <summary>What an attempt has published.</summary>
/// <param name="Lines">Number of lines.</param>
/// <param name="Hash">As in <see cref="OutputHash"/>.</param>
/// <param name="Tail">The last few lines of stderr; if there are none, of stdout.</param>
/// <param name="Said">What the agent reported about its work.</param>
internal sealed record OutputSummary(long Lines, string Hash, string Tail, AgentNotes Said)
{
    /// <summary>Nothing is known to be published.</summary>
    public static OutputSummary None => new(0, OutputHash.OfNothing, "", new AgentNotes(AgentParser.None, new SecretForms([]), TimeProvider.System));
}
