using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace TaskPipeline.Client;

/// <summary>
/// Proves that a watcher has every line of a task, once and as it was printed: the numbers of the lines go on without holes and doubles, and what they
/// hash to is what the end says. A watch of <see cref="TaskPipelineClient"/> has one; for events that come in another way, add them here.
/// </summary>
/// <param name="isFromStart">Whether the first line that is added should be the first line of the task.</param>
/// <param name="isFiltered">Whether lines of some streams are left out on purpose.</param>
public sealed class OutputVerifier(bool isFromStart = true, bool isFiltered = false) : IDisposable
{
    private const int HashAtOnce = 32 * 1024;   // a call of the hash costs more than a short line

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ArrayBufferWriter<byte> _unhashed = new();
    private int _attempt;                       // 0: no line was seen
    private long _next = isFromStart ? 1 : 0;   // the number of the line that must follow; 0: any may
    private bool _isWhole = !isFiltered;        // the hash has every published line of the attempt so far

    /// <summary>Adds lines in the order in which they came.</summary>
    /// <exception cref="OutputMismatchException">Some before them are missing, or they came before.</exception>
    public void Add(LinesEvent lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        foreach (var line in lines.Lines)
            Add(line);
    }

    /// <summary>Adds one line.</summary>
    /// <exception cref="OutputMismatchException">One before it is missing, or it came before.</exception>
    public void Add(OutputLine line)
    {
        ArgumentNullException.ThrowIfNull(line);
        Pass(line.Attempt, line.Seq, line.Seq);
        _unhashed.GetSpan(1)[0] = (byte)line.Stream;
        _unhashed.Advance(1);
        Encoding.UTF8.GetBytes(line.Text, _unhashed);
        _unhashed.Write("\n"u8);
        if (_unhashed.WrittenCount >= HashAtOnce)
            Flush();
    }

    /// <summary>Adds lines that the server says are missing.</summary>
    /// <exception cref="OutputMismatchException">Others before them are missing, or they were told.</exception>
    public void Add(GapEvent gap)
    {
        ArgumentNullException.ThrowIfNull(gap);
        Pass(gap.Attempt, gap.From, gap.To);
        if (gap.Reason != GapEvent.OutputLimit)
            _isWhole = false;   // they were published, so they are in the hash
    }

    /// <summary>Holds what was added against the end.</summary>
    /// <exception cref="OutputMismatchException">They are not the lines that the end tells of.</exception>
    public Verification Check(EndEvent end)
    {
        ArgumentNullException.ThrowIfNull(end);
        if (end.Hash is null)
            return Verification.NoHash;
        if (end.Attempt > _attempt)
            Begin(end.Attempt);   // it has printed nothing
        if (end.Attempt < _attempt || _next == 0)
            return Verification.NotAllSeen;
        if (!isFiltered && _next - 1 != end.Lines)
            throw new OutputMismatchException($"Attempt {end.Attempt} has printed {end.Lines} lines, and {_next - 1} came") { End = end };
        if (!_isWhole)
            return Verification.NotAllSeen;
        Flush();
        var hash = "sha256:" + Convert.ToHexStringLower(_hash.GetCurrentHash());
        return hash == end.Hash
            ? Verification.Verified
            : throw new OutputMismatchException($"The {end.Lines} lines of attempt {end.Attempt} are not as they were printed: their hash is {hash}, not {end.Hash}") { End = end };
    }

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();

    private void Pass(int attempt, long from, long to)
    {
        if (attempt < _attempt)
            throw new OutputMismatchException($"Lines of attempt {attempt} came behind those of attempt {_attempt}");
        if (attempt > _attempt)
            Begin(attempt);
        if (_next == 0)
            (_next, _isWhole) = (from, _isWhole && from == 1);
        if (from < _next)
            throw new OutputMismatchException($"Line {from} of attempt {attempt} came twice");
        if (from > _next && !isFiltered)
            throw new OutputMismatchException(from - _next == 1 ? $"Line {_next} of attempt {attempt} is missing" : $"Lines {_next} to {from - 1} of attempt {attempt} are missing");
        _next = to + 1;
    }

    /// <summary>Whoever has seen an earlier attempt sees this one from its first line.</summary>
    private void Begin(int attempt)
    {
        if (_attempt > 0)
            _next = 1;
        Flush();
        _hash.TryGetHashAndReset(stackalloc byte[SHA256.HashSizeInBytes], out _);
        (_attempt, _isWhole) = (attempt, !isFiltered);
    }

    private void Flush()
    {
        _hash.AppendData(_unhashed.WrittenSpan);
        _unhashed.ResetWrittenCount();
    }
}

/// <summary>The lines that came are not the lines that were printed: one is missing, came twice, or is another.</summary>
public sealed class OutputMismatchException : TaskPipelineException
{
    internal OutputMismatchException(string message) : base(message)
    {
    }

    /// <summary>The end that does not fit, where it was there.</summary>
    public EndEvent? End { get; internal init; }
}
