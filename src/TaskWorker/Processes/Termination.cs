namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// The grace period of a run: SIGTERM once to each process, then a wait until all have ended. The root gets it first, because many programs pass the
/// signal on, and a second one can interrupt their cleanup. Every other process gets it when its parent has ended, or some time after its parent got
/// it. A process that is started after that belongs to the cleanup, and gets none.
/// </summary>
/// <param name="seen">The processes when the end was ordered.</param>
internal sealed class Termination(AgentTree tree, IReadOnlyCollection<int> seen, TimeSpan grace, TimeProvider clock)
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(1);   // between a parent and its children
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(50);   // between two checks

    private readonly HashSet<int> _known = [.. seen];             // processes that get SIGTERM, or got it
    private readonly HashSet<int> _exempt = [];
    private readonly Dictionary<int, (long At, bool PassesOn)> _signalled = [];
    private readonly TimeSpan _half = grace / 2;                  // after that, children get it even if their parent should pass it on
    private long _began;

    /// <param name="exited">The root has exited.</param>
    /// <param name="forced">The grace period must end now.</param>
    /// <param name="signalled">Called when the root has got SIGTERM.</param>
    /// <returns>Whether all processes of the run have ended.</returns>
    public async Task<bool> RunAsync(Task exited, Task forced, Action signalled)
    {
        using var noMore = new CancellationTokenSource();
        var over = Task.WhenAny(forced, Task.Delay(grace, clock, noMore.Token));
        try
        {
            _began = clock.GetTimestamp();
            Signal(tree.Root);
            signalled();
            await Task.WhenAny(exited, over, Task.Delay(Least(Usual, _half), clock, noMore.Token));
            for (var wait = ShortestWait; ; wait = Least(wait * 2, LongestWait))
            {
                var left = tree.Left;
                if (left.Count == 0 && exited.IsCompleted)
                    return true;
                if (over.IsCompleted)
                    return false;
                if (SignalThoseDue(left, exited.IsCompleted))
                    wait = ShortestWait;
                await (exited.IsCompleted
                    ? Task.WhenAny(over, Task.Delay(wait, clock, noMore.Token))
                    : Task.WhenAny(exited, over, Task.Delay(wait, clock, noMore.Token)));
            }
        }
        finally
        {
            await noMore.CancelAsync();
        }
    }

    /// <summary>Signals processes whose turn has come; returns whether there were any.</summary>
    private bool SignalThoseDue(IReadOnlyCollection<int> left, bool rootHasExited)
    {
        foreach (var gone in _signalled.Keys.Except(left).Where(pid => rootHasExited || pid != tree.Root).ToList())
            _signalled.Remove(gone);
        var signalledBefore = _signalled.Keys.ToHashSet();
        var isAnybody = false;
        foreach (var pid in left.Where(pid => !_signalled.ContainsKey(pid) && !_exempt.Contains(pid)))
        {
            int? parent = Proc.ParentOf(pid) is { } found && left.Contains(found) ? found : null;
            if (!_known.Contains(pid) && parent is { } starter && (signalledBefore.Contains(starter) || _exempt.Contains(starter)))
            {
                _exempt.Add(pid);
                continue;
            }
            _known.Add(pid);
            if (!IsDue(parent ?? (rootHasExited ? null : tree.Root)))
                continue;
            Signal(pid);
            isAnybody = true;
        }
        return isAnybody;
    }

    private bool IsDue(int? parent)
    {
        if (parent is null || _exempt.Contains(parent.Value) || clock.GetElapsedTime(_began) >= _half)
            return true;
        return _signalled.TryGetValue(parent.Value, out var sent) && !sent.PassesOn && clock.GetElapsedTime(sent.At) >= Least(Usual, _half);
    }

    private void Signal(int pid)
    {
        _signalled[pid] = (clock.GetTimestamp(), Proc.PassesOn(pid, Posix.Term));
        tree.Signal(pid, Posix.Term);
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
