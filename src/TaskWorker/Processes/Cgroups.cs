using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// Control groups (version 2) for attempts, below the worker's own group, if the worker may divide that: as root, in a unit with <c>Delegate=yes</c>,
/// or in a container with writable cgroups. Limits that cannot be applied are logged once, at the start.
/// </summary>
internal sealed partial class Cgroups
{
    private const string Name = "taskpipeline-";
    private const string OwnLeaf = ".worker";
    private static readonly string[] Wanted = ["memory", "cpu", "pids"];

    private readonly string? _folder;   // parent of this worker's attempts' groups; null: no groups
    private readonly HashSet<string> _controllers = [];

    public Cgroups(IOptions<WorkerOptions> options, ILogger<Cgroups> logger)
    {
        if (!OperatingSystem.IsLinux())
        {
            LogElsewhere(logger);
            return;
        }
        if (Launcher.Setsid is null)
            LogNoSetsid(logger);
        var (parent, reason) = options.Value.Cgroups ? Find() : (null, "Worker:Cgroups is off");
        if (parent is null)
        {
            LogNoCgroups(logger, reason);
            return;
        }
        RemoveLeftovers(parent);
        try
        {
            _folder = Path.Combine(parent, Name + ProcessIdentity.Own);
            Directory.CreateDirectory(_folder);
            var available = File.ReadAllText(Path.Combine(parent, "cgroup.controllers")).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
            foreach (var controller in Wanted.Intersect(available))
                if (TryEnable(parent, controller) && TryEnable(_folder, controller))
                    _controllers.Add(controller);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _folder = null;
            LogNoCgroups(logger, exception.Message);
            return;
        }
        foreach (var missing in Wanted.Except(_controllers))
            LogNoController(logger, missing);
    }

    /// <summary>The folder that the reaper kills and removes when the worker has died; empty: there is none.</summary>
    public string Folder => _folder ?? "";

    /// <summary>Null: there are no control groups.</summary>
    public AgentCgroup? New()
    {
        try
        {
            return _folder is null ? null : new AgentCgroup(Path.Combine(_folder, Guid.NewGuid().ToString("N")), _controllers);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;   // processes are still found by their marker
        }
    }

    /// <summary>The worker's own group, if groups can be created in it; otherwise null and the reason.</summary>
    private static (string? Folder, string Reason) Find()
    {
        var own = File.ReadLines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::", StringComparison.Ordinal))?["0::".Length..];
        var mount = File.ReadLines("/proc/self/mountinfo").FirstOrDefault(line => line.Contains(" - cgroup2 ", StringComparison.Ordinal))?.Split(' ')
            is { Length: > 4 } fields ? (Root: fields[3], Point: fields[4]) : default;
        if (own is null || mount.Point is null)
            return (null, "there is no cgroup2 file system");
        if (mount.Root != "/" && own.StartsWith(mount.Root, StringComparison.Ordinal))
            own = own[mount.Root.Length..];
        var folder = Path.Join(mount.Point, own).TrimEnd('/');
        var probe = Path.Combine(folder, $"{Name}{ProcessIdentity.Own}.probe");
        try
        {
            Directory.CreateDirectory(probe);
            return File.Exists(Path.Combine(probe, "cgroup.procs")) ? (folder, "") : (null, $"{folder} is not a control group");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return (null, $"{folder} cannot be divided by this worker: {exception.Message}");
        }
        finally
        {
            AgentCgroup.Remove(probe);
        }
    }

    /// <summary>
    /// A group with processes of its own cannot enable controllers for groups below it, so the worker moves into a leaf, if it is alone in the group.
    /// </summary>
    private static bool TryEnable(string folder, string controller)
    {
        for (var hasMoved = false; ; hasMoved = true)
            try
            {
                File.WriteAllText(Path.Combine(folder, "cgroup.subtree_control"), "+" + controller);
                return true;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                if (hasMoved || File.ReadAllText(Path.Combine(folder, "cgroup.procs")).Trim() != Environment.ProcessId.ToString())
                    return false;
                var leaf = Path.Combine(folder, Name + ProcessIdentity.Own + OwnLeaf);
                Directory.CreateDirectory(leaf);
                File.WriteAllText(Path.Combine(leaf, "cgroup.procs"), "0");
            }
    }

    /// <summary>
    /// Ends the attempts of dead workers and removes their groups. Workers in another PID namespace, such as a container's, can share the parent
    /// group and are not visible from here: their groups are left alone.
    /// </summary>
    private static void RemoveLeftovers(string parent)
    {
        foreach (var folder in Directory.EnumerateDirectories(parent, Name + "*"))
        {
            var owner = Path.GetFileName(folder)[Name.Length..];
            if (ProcessIdentity.IsDead(string.Join('.', owner.Split('.').Take(3))))
                RemoveWithAll(folder);
        }
    }

    private static void RemoveWithAll(string folder)
    {
        try
        {
            if (File.Exists(Path.Combine(folder, "cgroup.kill")))
                File.WriteAllText(Path.Combine(folder, "cgroup.kill"), "1");
            foreach (var attempt in Directory.EnumerateDirectories(folder))
                AgentCgroup.Remove(attempt);
            AgentCgroup.Remove(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The reaper, or another worker that starts at the same time, has removed it.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "This is not Linux: a stop reaches only the agent's root process, "
            + "processes that outlive it or a killed worker are not ended, and limits of memory, processors and processes do not apply")]
    private static partial void LogElsewhere(ILogger logger);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "There is no setsid: a stop signals only the agent's root process, and its other processes are killed after that")]
    private static partial void LogNoSetsid(ILogger logger);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "No control groups for agents ({Reason}): memory_limit and cpu_limit do not apply; processes are counted, paused and ended one by one")]
    private static partial void LogNoCgroups(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The kernel does not limit {Controller} in control groups of this worker: "
            + "memory_limit (memory) and cpu_limit (cpu) do not apply, processes (pids) are counted each second")]
    private static partial void LogNoController(ILogger logger, string controller);
}
