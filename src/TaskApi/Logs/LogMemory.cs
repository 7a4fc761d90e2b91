using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// Bounds what the logs of all tasks take. Beyond it the content of the oldest blocks goes, but for those that somebody has read since they were looked at
/// last: they come round once more.
/// </summary>
internal sealed class LogMemory(IOptions<ApiOptions> options)
{
    private readonly ConcurrentQueue<LogBlock> _blocks = [];
    private long _bytes;

    /// <summary>Bytes of what is kept.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Counts a block that is sealed, or read again.</summary>
    public void Add(LogBlock block)
    {
        _blocks.Enqueue(block);
        var bytes = Interlocked.Add(ref _bytes, block.Size);
        while (bytes > options.Value.MaxLogBytes && _blocks.TryDequeue(out var oldest))
        {
            if (oldest.WasTouched() && oldest != block)
            {
                _blocks.Enqueue(oldest);
                continue;
            }
            oldest.GiveUp();
            bytes = Interlocked.Add(ref _bytes, -oldest.Size);
        }
    }
}
