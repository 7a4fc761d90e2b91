using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Workspaces;

namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Watches one attempt's limits from its spawn to its exit, and reports the first that is reached.</summary>
internal sealed class LimitWatch : IDisposable
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly AgentLimits _limits;
    private readonly AgentTree _tree;
    private readonly string _workspace;
    private readonly Action<EndReason> _reached;
    private readonly TimeProvider _clock;
    private readonly PausableTimer _time;
    private readonly PausableTimer? _silence;
    private readonly PausableTimer? _deadline;
    private readonly PausableTimer? _look;
    private readonly PausableTimer? _afterResult;
    private long _lastOutput;

    public LimitWatch(AgentLimits limits, AgentTree tree, string workspace, Action<EndReason> reached, TimeProvider clock)
    {
        (_limits, _tree, _workspace, _reached, _clock, _lastOutput) = (limits, tree, workspace, reached, clock, clock.GetTimestamp());
        _time = new PausableTimer(limits.Time, () => reached(EndReason.TimeLimit), clock);
        if (limits.Silence is { } silence)
            _silence = new PausableTimer(silence, LookAtSilence, clock);
        if (limits.Deadline is { } deadline)
            _deadline = new PausableTimer(deadline - clock.GetUtcNow(), () => reached(EndReason.Deadline), clock);
        if (limits.Processes is not null || limits.Disk is not null)
            _look = new PausableTimer(LookInterval, LookAtUse, clock);
        if (limits.AfterResult is not null)
            _afterResult = new PausableTimer(TimeSpan.MaxValue, () => reached(EndReason.Result), clock);
    }

    /// <summary>The agent has reported a result.</summary>
    public void GaveResult(DateTimeOffset at) => _afterResult?.Restart(_limits.AfterResult!.Value - (_clock.GetUtcNow() - at));

    /// <summary>The agent has printed something.</summary>
    public void OnOutput() => Volatile.Write(ref _lastOutput, _clock.GetTimestamp());

    public void Pause()
    {
        _time.Pause();
        _silence?.Pause();
        _afterResult?.Pause();
    }

    public void Resume()
    {
        OnOutput();   // a pause does not count as silence
        _time.Resume();
        _silence?.Restart(_limits.Silence!.Value);
        _silence?.Resume();
        _afterResult?.Resume();
    }

    public void Dispose()
    {
        _time.Dispose();
        _silence?.Dispose();
        _deadline?.Dispose();
        _look?.Dispose();
        _afterResult?.Dispose();
    }

    /// <summary>Output does not touch the timer: when the timer fires, this checks how long ago the last output was.</summary>
    private void LookAtSilence()
    {
        var left = _limits.Silence!.Value - _clock.GetElapsedTime(Volatile.Read(ref _lastOutput));
        if (left > TimeSpan.Zero)
            _silence!.Restart(left);
        else
            _reached(EndReason.SilenceLimit);
    }

    private void LookAtUse()
    {
        var began = _clock.GetTimestamp();
        if (_tree.CountMoreThan(_limits.Processes))
            _reached(EndReason.ProcessLimit);
        else if (_limits.Disk is { } most && DiskUse.Of(_workspace, most) > most)
            _reached(EndReason.DiskLimit);
        else
            _look!.Restart(LookInterval + (_clock.GetElapsedTime(began) * 10));   // walk a large workspace less often
    }
}
