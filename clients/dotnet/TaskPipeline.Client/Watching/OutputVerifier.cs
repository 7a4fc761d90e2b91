using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace TaskPipeline.Client;

/// <summary>
/// Proves that a watcher has received every line of a task once and as it was printed: the line numbers have no holes and no duplicates, and the lines
/// have the hash that the end event gives. Each watch of <see cref="TaskPipelineClient"/> has one. Use it for events that arrive in another way.
/// </summary>
/// <param name="isFromStart">Whether the first line that is added must be the first line of the task.</param>
/// <param name="isFiltered">Whether lines of some streams are left out on purpose.</param>
public sealed class OutputVerifier(bool isFromStart = true, bool isFiltered = false) : IDisposable
{
    private const int HashAtOnce = 32 * 1024;   // a call of the hash costs more than a short line

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ArrayBufferWriter<byte> _unhashed = new();
    private int _attempt;                       // 0: no line yet
    private long _next = isFromStart ? 1 : 0;   // the number of the next line; 0: any line can follow
    private bool _isWhole = !isFiltered;        // the hash contains every published line of the attempt so far

    /// <summary>Adds lines in the order in which they arrived.</summary>
    /// <exception cref="OutputMismatchException">Lines before them are missing, or they were already added.</exception>
    public void Add(LinesEvent lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        foreach (var line in lines.Lines)
            Add(line);
    }

    /// <summary>Adds one line.</summary>
    /// <exception cref="OutputMismatchException">A line before it is missing, or it was already added.</exception>
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

    /// <summary>Adds a gap: lines that the server reports as missing.</summary>
    /// <exception cref="OutputMismatchException">Other lines before them are missing, or some of them were already added.</exception>
    public void Add(GapEvent gap)
    {
        ArgumentNullException.ThrowIfNull(gap);
        Pass(gap.Attempt, gap.From, gap.To);
        if (gap.Reason != GapEvent.OutputLimit)
            _isWhole = false;   // they were published, so they are in the hash
    }

    /// <summary>Compares the added lines with the end event.</summary>
    /// <exception cref="OutputMismatchException">The lines are not those that the end event describes.</exception>
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
            throw new OutputMismatchException($"Attempt {end.Attempt} printed {end.Lines} lines, but {_next - 1} arrived") { End = end };
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
            throw new OutputMismatchException($"Lines of attempt {attempt} came after those of attempt {_attempt}");
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

    /// <summary>After an earlier attempt, a watcher must receive this one from its first line.</summary>
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

/// <summary>The received lines are not the printed lines: lines are missing, duplicated or changed.</summary>
public sealed class OutputMismatchException : TaskPipelineException
{
    internal OutputMismatchException(string message) : base(message)
    {
    }

    /// <summary>The end event that does not match, if there was one.</summary>
    public EndEvent? End { get; internal init; }
}
