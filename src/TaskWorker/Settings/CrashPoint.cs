using System.Diagnostics;

namespace TaskPipeline.TaskWorker.Settings;

/// <summary>Named points in a task's life at which tests let the worker die as with <c>kill -9</c>; docs/task-lifecycle.md lists them.</summary>
internal static class CrashPoint
{
    public const string Claimed = "claimed";               // the claim is committed, its barrier is not written yet
    public const string Barrier = "barrier";               // the barrier is written, the log is not read yet
    public const string BeforeStarting = "before_starting";
    public const string Starting = "starting";             // acknowledged, no agent started yet
    public const string Running = "running";
    public const string BeforeExited = "before_exited";
    public const string Exited = "exited";                 // acknowledged, the end is not committed
    public const string HandedOver = "handed_over";
    public const string BeforeCommit = "before_commit";
    public const string InTransaction = "in_transaction";
    public const string AfterCommit = "after_commit";

    public static readonly IReadOnlyList<string> All =
        [Claimed, Barrier, BeforeStarting, Starting, Running, BeforeExited, Exited, HandedOver, BeforeCommit, InTransaction, AfterCommit];

    private static string? _point;
    private static int _passes;

    /// <param name="setting"><c>point</c>, or <c>point:N</c> to skip it N times first.</param>
    public static void Arm(string setting)
    {
        var parts = setting.Split(':');
        (_point, _passes) = (parts[0], parts.Length > 1 ? int.Parse(parts[1]) : 0);
    }

    public static void Reach(string point)
    {
        if (_point != point || Interlocked.Decrement(ref _passes) >= 0)
            return;
        using var self = Process.GetCurrentProcess();
        self.Kill();
        Thread.Sleep(Timeout.Infinite);
    }
}
