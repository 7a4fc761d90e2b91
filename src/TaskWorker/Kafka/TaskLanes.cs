using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Kafka;

/// <summary>
/// The lanes of tasks whose records do not contain them, from <c>task-control</c>. There can be millions within the retention, and every worker holds
/// them all, so an id is stored as 64 bits of its hash. Two random ids collide once in some billion years.
/// </summary>
internal sealed class TaskLanes
{
    private readonly ConcurrentDictionary<ulong, int> _lanes = new();

    public int? Find(string taskId) => _lanes.TryGetValue(HashOf(taskId), out var lane) ? lane : null;

    /// <summary>The first published lane counts.</summary>
    public void Add(string taskId, int lane) => _lanes.TryAdd(HashOf(taskId), lane);

    /// <param name="key">The key of a tombstone of any kind.</param>
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
