namespace TaskPipeline.TaskWorker.Processes;

/// <summary>
/// The grace of a run: SIGTERM for all of it, each process once, and then time until nothing of it is left. The root is told first, since many a program
/// passes the signal on, and a second one spoils what is being written. Everybody else is told as soon as its parent has ended, or some time after its parent
/// was told. What a process starts after that is how it cleans up, and is let alone.
/// </summary>
/// <param name="seen">What lived when the end was ordered.</param>
internal sealed class Termination(AgentTree tree, IReadOnlyCollection<int> seen, TimeSpan grace, TimeProvider clock)
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(1);   // between a parent and its children
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(50);   // between two looks

    private readonly HashSet<int> _known = [.. seen];             // who is to be told, or was
    private readonly HashSet<int> _letAlone = [];
    private readonly Dictionary<int, (long At, bool PassesOn)> _told = [];
    private readonly TimeSpan _half = grace / 2;                  // then those are told, too, whose parent should have
    private long _began;

    /// <param name="exited">The root has.</param>
    /// <param name="forced">Nobody wants to wait any longer.</param>
    /// <param name="told">Called when the root has been told.</param>
    /// <returns>Whether nothing of the run is left.</returns>
    public async Task<bool> RunAsync(Task exited, Task forced, Action told)
    {
        using var noMore = new CancellationTokenSource();
        var over = Task.WhenAny(forced, Task.Delay(grace, clock, noMore.Token));
        try
        {
            _began = clock.GetTimestamp();
            Signal(tree.Root);
            told();
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

    /// <summary>Answers whether anybody was.</summary>
    private bool SignalThoseDue(IReadOnlyCollection<int> left, bool rootHasExited)
    {
        foreach (var gone in _told.Keys.Except(left).Where(pid => rootHasExited || pid != tree.Root).ToList())
            _told.Remove(gone);
        var toldBefore = _told.Keys.ToHashSet();
        var isAnybody = false;
        foreach (var pid in left.Where(pid => !_told.ContainsKey(pid) && !_letAlone.Contains(pid)))
        {
            int? parent = Proc.ParentOf(pid) is { } found && left.Contains(found) ? found : null;
            if (!_known.Contains(pid) && parent is { } starter && (toldBefore.Contains(starter) || _letAlone.Contains(starter)))
            {
                _letAlone.Add(pid);
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
        if (parent is null || _letAlone.Contains(parent.Value) || clock.GetElapsedTime(_began) >= _half)
            return true;
        return _told.TryGetValue(parent.Value, out var told) && !told.PassesOn && clock.GetElapsedTime(told.At) >= Least(Usual, _half);
    }

    private void Signal(int pid)
    {
        _told[pid] = (clock.GetTimestamp(), Proc.PassesOn(pid, Posix.Term));
        tree.Signal(pid, Posix.Term);
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
