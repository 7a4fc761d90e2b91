using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace TaskPipeline.Bench.Chaos.Checking;

/// <summary>Lines of one attempt in the order in which they came: whether one is missing or came twice, and what docs/protocol.md says their hash is.</summary>
internal sealed class LineCount : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public long Last { get; private set; }

    public string Hash => "sha256:" + Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <summary>What is wrong with the line's place; null: it is the next one.</summary>
    public string? Add(JsonElement line)
    {
        var seq = line.Number("seq") ?? 0;
        var wrong = seq == Last + 1 ? null : $"line {seq} follows line {Last}";
        Last = seq;
        byte stream = line.Text("stream") switch { "stdout" => 1, "stderr" => 2, "system" => 3, _ => 0 };
        _hash.AppendData([stream, .. Encoding.UTF8.GetBytes(line.Text("text") ?? ""), (byte)'\n']);
        return wrong;
    }

    /// <summary>What is wrong with a claim of so many lines with this hash; null: it is true.</summary>
    public string? Compare(long? lines, string? hash) =>
        lines != Last ? $"it has {lines} lines, but {Last} are there"
        : hash is not null && hash != Hash ? $"its {lines} lines have the hash {hash}, but those that are there {Hash}"
        : null;

    public void Dispose() => _hash.Dispose();
}
