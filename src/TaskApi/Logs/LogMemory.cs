using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// Limits the memory of all tasks' logs. Above the limit the content of the oldest blocks is dropped. A block that was read since its last turn goes
/// to the end of the queue instead.
/// </summary>
internal sealed class LogMemory(IOptions<ApiOptions> options)
{
    private readonly ConcurrentQueue<LogBlock> _blocks = [];
    private long _bytes;

    /// <summary>Bytes of the blocks in memory.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Counts a block that was sealed or read again.</summary>
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
