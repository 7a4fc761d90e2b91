using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace TaskPipeline.Bench.Chaos.Checking;

/// <summary>Counts the lines of one attempt in their order: finds missing and duplicate lines, and computes the hash of docs/protocol.md.</summary>
internal sealed class LineCount : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public long Last { get; private set; }

    public string Hash => "sha256:" + Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <summary>What is wrong with the line's number; null: it is the next one.</summary>
    public string? Add(JsonElement line)
    {
        var seq = line.Number("seq") ?? 0;
        var wrong = seq == Last + 1 ? null : $"line {seq} follows line {Last}";
        Last = seq;
        byte stream = line.Text("stream") switch { "stdout" => 1, "stderr" => 2, "system" => 3, _ => 0 };
        _hash.AppendData([stream, .. Encoding.UTF8.GetBytes(line.Text("text") ?? ""), (byte)'\n']);
        return wrong;
    }

    /// <summary>What is wrong with a claim of this many lines with this hash; null: it is true.</summary>
    public string? Compare(long? lines, string? hash) =>
        lines != Last ? $"it has {lines} lines, but there are {Last}"
        : hash is not null && hash != Hash ? $"its {lines} lines have the hash {hash}, but the lines found have {Hash}"
        : null;

    public void Dispose() => _hash.Dispose();
}
