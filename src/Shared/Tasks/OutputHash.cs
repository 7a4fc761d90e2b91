using System.Security.Cryptography;
using System.Text;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// SHA-256 over the published lines of an attempt, each as one byte for its stream (1 stdout, 2 stderr, 3 system), its UTF-8 text and a newline. A
/// watcher that computes the same value has every line.
/// </summary>
public sealed class OutputHash : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[] _buffer = new byte[32 * 1024];   // a call of the hash costs more than hashing a short line
    private int _length;

    /// <summary>The hash of no lines.</summary>
    public static string OfNothing { get; } = "sha256:" + Convert.ToHexStringLower(SHA256.HashData([]));

    /// <summary>Adds a line; returns the number of bytes of its text.</summary>
    public int Add(OutputLine line)
    {
        var needed = Encoding.UTF8.GetMaxByteCount(line.Text.Length) + 2;
        if (_buffer.Length - _length < needed)
        {
            Flush();
            if (_buffer.Length < needed)
                _buffer = new byte[needed];
        }
        _buffer[_length++] = (byte)line.Stream;
        var length = Encoding.UTF8.GetBytes(line.Text, _buffer.AsSpan(_length));
        _length += length;
        _buffer[_length++] = (byte)'\n';
        return length;
    }

    /// <summary><c>sha256:</c> and 64 hexadecimal digits; more lines can be added after it.</summary>
    public override string ToString()
    {
        Flush();
        return "sha256:" + Convert.ToHexStringLower(_hash.GetCurrentHash());
    }

    public void Dispose() => _hash.Dispose();

    private void Flush()
    {
        _hash.AppendData(_buffer.AsSpan(0, _length));
        _length = 0;
    }
}
