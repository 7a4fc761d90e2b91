using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using TaskPipeline.TaskApi.Connections;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// The watchers of one log that have been sent all of it so far. What comes next is mostly the same for all of them: one loop goes round and gives it
/// straight to their sockets, which costs a fraction of waking a loop of each. Those who stand at the same place are not even asked, but one for all of
/// them. Whose socket does not take what it is sent at once is left to its own loop again.
/// </summary>
internal sealed class Audience(TaskLog log)
{
    private const int Crowd = 100;       // beyond so many a message may wait until its watcher has acknowledged the one before
    private const int MostAtOnce = 16;   // events of a round; who has more to read would keep the others waiting
    private const int Portion = 100;     // members that a thread serves before it asks for more
    private static readonly ParallelOptions OneThreadEach = new() { MaxDegreeOfParallelism = Environment.ProcessorCount };
    private static readonly TimeSpan ShortestRest = TimeSpan.FromMilliseconds(3);   // a timer is hardly more exact
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly List<Member> _arriving = [];   // guarded by the gate, as is the next
    private bool _isRunning;
    private readonly WakeUp _asked = new();
    private readonly List<Member> _apart = [];      // the loop's own, as are the next; asked one by one
    private readonly List<Member> _together = [];   // all stand where the lead does
    private Watcher? _lead;
    private readonly List<News> _news = [];         // of a round, for those who are together
    private LeftOver? _rest;                        // behind the news they have to go on by themselves
    private volatile bool _hasDismissed;
    private volatile Framed? _framed;
    private bool _isCrowd;

    /// <summary>Comes back when the watcher has to go on by itself. Until then nobody else may ask it for events.</summary>
    public Task<LeftOver> AttendAsync(Watcher watcher, DirectOutput output, CancellationToken leaving)
    {
        var member = new Member(watcher, output, _asked);
        member.Leaving = leaving.UnsafeRegister(static member => ((Member)member!).Leave(), member);
        lock (_gate)
        {
            _arriving.Add(member);
            if (!_isRunning)
                _ = Task.Run(RunAsync, CancellationToken.None);
            _isRunning = true;
        }
        _asked.Raise();
        return member.Task;
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                var (changed, asked) = (log.Changed.Next, _asked.Next);   // before the look at either
                var since = Stopwatch.GetTimestamp();
                Welcome();
                GoRound();
                if (IsOver())
                    return;
                // The more they are, the more of what comes meanwhile goes out together.
                if (Stopwatch.GetElapsedTime(since) / 2 is var rest && rest > ShortestRest)
                    await Task.Delay(rest < LongestRest ? rest : LongestRest);
                await Task.WhenAny(changed, asked);
            }
        }
        catch (Exception exception)
        {
            List<Member> all;
            lock (_gate)
            {
                all = [.. _apart, .. _together, .. _arriving];
                _apart.Clear();
                _together.Clear();
                _arriving.Clear();
                _lead = null;
                _isRunning = false;
            }
            all.ForEach(member => member.TrySetException(exception));
            throw;
        }
    }

    private void Welcome()
    {
        lock (_gate)
        {
            _apart.AddRange(_arriving);
            _arriving.Clear();
        }
    }

    private bool IsOver()
    {
        lock (_gate)
            return !(_isRunning = _apart.Count + _together.Count + _arriving.Count > 0);
    }

    private void GoRound()
    {
        _isCrowd = _apart.Count + _together.Count > Crowd;
        var before = _lead?.Copy();
        Gather();
        ForAll(_apart, Serve);
        ForAll(_together, member => Tell(member, before!));
        if (_together.Count == 0)
            _lead = null;
        if (_apart.Count > 0)
            _apart.RemoveAll(IsNowTogether);
        _news.Clear();
        _framed = null;
    }

    /// <summary>Asks once for all who are together.</summary>
    private void Gather()
    {
        _rest = null;
        while (_lead is not null && _rest is null)
        {
            if (_news.Count == MostAtOnce || !_lead.TryNext(out var next))
                _rest = LeftOver.Nothing;
            else if (next is EndEvent)
                _rest = new LeftOver(next, Task.CompletedTask);
            else if (next is not null)
                _news.Add(new News(next, FrameOf(next), _lead.Copy()));
            else if (_lead.HasEnded)
                _rest = LeftOver.Nothing;
            else
                break;
        }
    }

    private LeftOver? Tell(Member member, Watcher before)
    {
        if (member.IsLeaving)
            return LeftBehind(member, before, LeftOver.Nothing);
        foreach (var news in _news)
            if (member.Output.TrySend(news.Frame, mayWait: _isCrowd) is not { } sending)
                return LeftBehind(member, news.Behind, new LeftOver(news.Told, Task.CompletedTask));
            else if (!sending.IsCompleted)
                return LeftBehind(member, news.Behind, new LeftOver(null, sending));
        return _rest is null ? null : LeftBehind(member, _lead!, _rest);
    }

    private static LeftOver LeftBehind(Member member, Watcher at, LeftOver leftOver)
    {
        member.Watcher.Follow(at);
        return leftOver;
    }

    /// <summary>Null: it was sent everything, or what those have been sent who are together.</summary>
    private LeftOver? Serve(Member member)
    {
        if (member.IsLeaving)
            return LeftOver.Nothing;
        for (var told = 0; told < MostAtOnce; told++)
        {
            if (_lead is not null && member.Watcher.IsBeside(_lead))
                return null;
            if (!member.Watcher.TryNext(out var next))
                break;   // something has to be read from Kafka for it
            if (next is null)
                return member.Watcher.HasEnded ? LeftOver.Nothing : null;
            if (next is EndEvent || member.Output.TrySend(FrameOf(next), mayWait: _isCrowd) is not { } sending)
                return new LeftOver(next, Task.CompletedTask);
            if (!sending.IsCompleted)
                return new LeftOver(null, sending);
        }
        return LeftOver.Nothing;
    }

    private bool IsNowTogether(Member member)
    {
        if (_lead is null && member.Watcher.IsLikeOthers)
            _lead = member.Watcher.Copy();
        if (_lead is null || !member.Watcher.IsBeside(_lead))
            return false;
        _together.Add(member);
        return true;
    }

    /// <summary>Those who have to go on by themselves are sent away.</summary>
    private void ForAll(List<Member> members, Func<Member, LeftOver?> serve)
    {
        if (members.Count <= Portion)
            ServePortion(0, members.Count);
        else
            Parallel.ForEach(Partitioner.Create(0, members.Count, Portion), OneThreadEach, portion => ServePortion(portion.Item1, portion.Item2));
        if (_hasDismissed)
            members.RemoveAll(member => member.Task.IsCompleted);
        _hasDismissed = false;

        void ServePortion(int from, int to)
        {
            for (var at = from; at < to; at++)
                if (serve(members[at]) is { } leftOver)
                {
                    members[at].Dismiss(leftOver);
                    _hasDismissed = true;
                }
        }
    }

    /// <summary>A WebSocket message of one frame, which from a server has no mask and so is the same for all (RFC 6455, 5.2).</summary>
    private byte[] FrameOf(WatchEvent told)
    {
        if (_framed is { } framed && framed.Told == told)
            return framed.Frame;
        const byte wholeText = 0x81;
        var json = told.Json.Span;
        byte[] head = json.Length <= 125 ? [wholeText, (byte)json.Length] : json.Length <= ushort.MaxValue ? [wholeText, 126, 0, 0] : [wholeText, 127, .. new byte[8]];
        if (head.Length == 4)
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(2), (ushort)json.Length);
        else if (head.Length == 10)
            BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(2), json.Length);
        byte[] frame = [.. head, .. json];
        _framed = new Framed(told, frame);
        return frame;
    }

    private sealed record Framed(WatchEvent Told, byte[] Frame);

    /// <param name="Behind">Where they stand then.</param>
    private sealed record News(WatchEvent Told, byte[] Frame, Watcher Behind);

    private sealed class Member(Watcher watcher, DirectOutput output, WakeUp asked) : TaskCompletionSource<LeftOver>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        private volatile bool _isLeaving;

        public Watcher Watcher => watcher;
        public DirectOutput Output => output;
        public bool IsLeaving => _isLeaving;
        public CancellationTokenRegistration Leaving { get; set; }

        public void Leave()
        {
            _isLeaving = true;
            asked.Raise();
        }

        public void Dismiss(LeftOver leftOver)
        {
            Leaving.Unregister();
            SetResult(leftOver);
        }
    }
}

/// <summary>What is left to a watcher's own loop.</summary>
/// <param name="Unsent">Was handed out and is not sent.</param>
/// <param name="Sending">Has to be over before anything else is sent.</param>
internal sealed record LeftOver(WatchEvent? Unsent, Task Sending)
{
    public static readonly LeftOver Nothing = new(null, Task.CompletedTask);
}
