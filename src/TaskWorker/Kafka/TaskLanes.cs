using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// The lanes of tasks whose records say nothing of them, as <c>task-control</c> tells. There may be millions in the time that tasks are kept, and every worker
/// knows them all: so an id is kept as 64 bits of its hash, which meet by chance once in some billion years.
/// </summary>
internal sealed class TaskLanes
{
    private readonly ConcurrentDictionary<ulong, int> _lanes = new();

    public int? Find(string taskId) => _lanes.TryGetValue(HashOf(taskId), out var lane) ? lane : null;

    /// <summary>What was told first counts.</summary>
    public void Add(string taskId, int lane) => _lanes.TryAdd(HashOf(taskId), lane);

    /// <param name="key">Of a tombstone, of whatever kind.</param>
    public void Forget(byte[]? key)
    {
        if (key is not null && Encoding.UTF8.GetString(key).Split('/') is [var taskId, ControlRecord.InLane, var text] && int.TryParse(text, out var lane))
            _lanes.TryRemove(KeyValuePair.Create(HashOf(taskId), lane));
    }

    private static ulong HashOf(string taskId)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(taskId), hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }
}
