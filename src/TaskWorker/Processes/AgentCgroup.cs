using System.Globalization;
using TaskPipeline.Shared.Catalogue;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>The control group of one attempt: a folder whose files list its processes, and control all of them at once.</summary>
internal sealed class AgentCgroup : IDisposable
{
    private const int ThreadsPerProcess = 64;   // pids.max counts threads, our limit processes; it only has to stop a fork storm
    private const int CpuPeriod = 100_000;      // microseconds
    private const int MaxWait = 2000;          // milliseconds; the kernel is faster unless a process hangs in it

    private readonly IReadOnlySet<string> _controllers;
    private bool _hasPids;
    private bool _hasMemory;

    /// <param name="folder">Must not exist yet.</param>
    /// <param name="controllers">The controllers that are enabled in it.</param>
    public AgentCgroup(string folder, IReadOnlySet<string> controllers)
    {
        (Folder, _controllers) = (folder, controllers);
        Directory.CreateDirectory(folder);
    }

    public string Folder { get; }

    /// <summary>Applies the limits of a type, as far as the kernel supports them.</summary>
    public void Limit(TaskType type)
    {
        (_hasPids, _hasMemory) = (_controllers.Contains("pids") && type.ProcessLimit is not null, _controllers.Contains("memory"));
        if (_hasPids)
            Write("pids.max", (long)type.ProcessLimit!.Value * ThreadsPerProcess);
        if (_hasMemory && type.MemoryLimit is { } memory)
        {
            Write("memory.max", memory);
            Write("memory.oom.group", 1);   // a run that has lost one of its processes rarely recovers
            if (File.Exists(Path.Combine(Folder, "memory.swap.max")))
                Write("memory.swap.max", 0);
        }
        if (_controllers.Contains("cpu") && type.CpuLimit is { } processors)
            File.WriteAllText(
                Path.Combine(Folder, "cpu.max"),
                string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1000, (long)(processors * CpuPeriod))} {CpuPeriod}"));
    }

    public IReadOnlyCollection<int> Processes
    {
        get
        {
            try
            {
                return [.. File.ReadLines(Path.Combine(Folder, "cgroup.procs")).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
            }
            catch (IOException)
            {
                return [];   // another process has removed it
            }
        }
    }

    /// <summary>Whether the kernel has refused a fork.</summary>
    public bool IsAtProcessLimit => _hasPids && Read("pids.events", "max") > 0;

    /// <summary>Whether the kernel has killed processes of it because it exceeded its memory limit.</summary>
    public bool HasRunOutOfMemory => _hasMemory && Read("memory.events", "oom_kill") > 0;

    /// <summary>Freezes all processes, and returns when none runs; false: the kernel did not do it.</summary>
    public bool Freeze() => TryWrite("cgroup.freeze", 1) && Until(() => Read("cgroup.events", "frozen") == 1);

    public void Thaw() => TryWrite("cgroup.freeze", 0);

    /// <summary>Kills all processes at once, even frozen ones, and returns when the group is empty. The result is the processes it had.</summary>
    public IReadOnlyCollection<int> End()
    {
        var left = Processes;
        if (left.Count > 0)
        {
            if (!TryWrite("cgroup.kill", 1))
                KillOneByOne();
            Until(() => Read("cgroup.events", "populated") == 0);
        }
        return left;
    }

    /// <summary>A group that is not empty yet stays until the worker ends or another worker starts.</summary>
    public void Dispose() => Remove(Folder);

    /// <summary>False: the group is not empty.</summary>
    public static bool Remove(string folder)
    {
        try
        {
            Directory.Delete(folder);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>For Linux before 5.14. Frozen first, so that none of them can fork meanwhile.</summary>
    private void KillOneByOne()
    {
        Freeze();
        foreach (var pid in Processes)
            Posix.SignalProcess(pid, Posix.Kill);
        Thaw();
    }

    private static bool Until(Func<bool> condition)
    {
        var limit = Environment.TickCount64 + MaxWait;   // real time, even if a test has its own clock
        while (!condition())
        {
            if (Environment.TickCount64 > limit)
                return false;
            Thread.Sleep(1);
        }
        return true;
    }

    private long Read(string file, string key)
    {
        try
        {
            var line = File.ReadLines(Path.Combine(Folder, file)).FirstOrDefault(line => line.StartsWith(key + " ", StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line.AsSpan(key.Length + 1), CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private void Write(string file, long value) => File.WriteAllText(Path.Combine(Folder, file), value.ToString(CultureInfo.InvariantCulture));

    private bool TryWrite(string file, long value)
    {
        if (!File.Exists(Path.Combine(Folder, file)))
            return false;
        try
        {
            Write(file, value);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
