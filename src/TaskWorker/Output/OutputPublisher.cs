using System.Threading.Channels;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Output;

/// <summary>
/// Turns an attempt's two outputs into numbered lines in batches. The two readers hand over what they have; one loop numbers, hashes and
/// publishes, so the order of lines is the order in which they were read. The agent never waits for Kafka: what that does not take yet is spooled.
/// </summary>
internal sealed class OutputPublisher : IDisposable
{
    private const int BatchBytes = 24 * 1024;   // with the JSON around it, a record stays below what the runtime takes for a large object
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
    private readonly Channel<bool> _inFlight = Channel.CreateBounded<bool>(RecordsInFlight);   // one entry per record that Kafka does not have yet
    private readonly OutputHash _hash = new();
    private readonly LastLines _stdout = new(mostLines: 20, mostCharacters: 2000);
    private readonly LastLines _stderr = new(mostLines: 20, mostCharacters: 2000);
    private readonly AgentNotes _notes;
    private readonly Task _publishing;
    private long _lines;   // published ones, and those that were left out before them

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

    /// <summary>Reads an output to its end. What there is of a line that stays unfinished is handed on after a moment, so that a prompt is seen.</summary>
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
            // Something that outlived the agent and the sweep holds the pipe; what it may still say belongs to nobody.
        }
        catch (IOException)
        {
            // The pipe broke: as good as its end.
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

    /// <summary>Both outputs are read: publishes the rest. What follows in the log comes behind every line.</summary>
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
            // What is there goes out at once after a quiet moment; under load a batch fills while the one before is on its way.
            var size = Fill(batch);
            if (size < BatchBytes && batch.Count < BatchLines && _inFlight.Reader.Count > 0)
            {
                await Task.Delay(BatchWait, _clock);
                Fill(batch, size);
            }
            await SendAsync(batch);
        }
    }

    /// <summary>What came last beyond the limit, behind the gap that it leaves.</summary>
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

    /// <summary>Behind the lines in which they were found.</summary>
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

    /// <summary>Answers how many bytes the batch has more.</summary>
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
/// <param name="Lines">How many.</param>
/// <param name="Hash">As <see cref="OutputHash"/> has it.</param>
/// <param name="Tail">The last few lines of stderr; where there are none, of stdout.</param>
/// <param name="Said">What the agent said of its work.</param>
internal sealed record OutputSummary(long Lines, string Hash, string Tail, AgentNotes Said)
{
    /// <summary>Nothing was published, as far as anybody knows.</summary>
    public static OutputSummary None => new(0, OutputHash.OfNothing, "", new AgentNotes(AgentParser.None, new SecretForms([]), TimeProvider.System));
}
