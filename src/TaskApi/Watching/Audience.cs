using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using TaskPipeline.TaskApi.Connections;
using TaskPipeline.TaskApi.Tailing;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// The watchers of one log that have been sent all of it so far. What comes next is mostly the same for all of them: one loop goes round and gives it
/// straight to their sockets, which costs a fraction of waking a loop of each. Whose socket does not take it at once is left to its own loop again.
/// </summary>
internal sealed class Audience(TaskLog log)
{
    private const int Crowd = 100;       // beyond so many a message may wait until its watcher has acknowledged the one before
    private const int MostAtOnce = 16;   // events of a round; who has more to read would keep the others waiting
    private const int Portion = 100;     // members that a thread serves before it asks for more
    private static readonly TimeSpan ShortestRest = TimeSpan.FromMilliseconds(3);   // a timer is hardly more exact
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly List<Member> _arriving = [];   // guarded by the gate, as is the next
    private bool _isRunning;
    private readonly WakeUp _asked = new();
    private readonly List<Member> _members = [];    // the loop's own, as are the next
    private readonly ConcurrentBag<Member> _dismissed = [];
    private volatile Framed? _framed;

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
                all = [.. _members, .. _arriving];
                _members.Clear();
                _arriving.Clear();
                _isRunning = false;
            }
            all.ForEach(member => member.SetException(exception));
            throw;
        }
    }

    private void Welcome()
    {
        lock (_gate)
        {
            _members.AddRange(_arriving);
            _arriving.Clear();
        }
    }

    private bool IsOver()
    {
        lock (_gate)
            return !(_isRunning = _members.Count + _arriving.Count > 0);
    }

    private void GoRound()
    {
        if (_members.Count <= Portion)
            ServeAll(0, _members.Count);
        else
            Parallel.ForEach(Partitioner.Create(0, _members.Count, Portion), portion => ServeAll(portion.Item1, portion.Item2));
        _framed = null;
        if (_dismissed.IsEmpty)
            return;
        var dismissed = _dismissed.ToHashSet();
        _members.RemoveAll(dismissed.Contains);
        _dismissed.Clear();
    }

    private void ServeAll(int from, int to)
    {
        for (var at = from; at < to; at++)
            if (Serve(_members[at]) is { } leftOver)
            {
                _dismissed.Add(_members[at]);
                _members[at].Dismiss(leftOver);
            }
    }

    /// <summary>Null: it was sent everything.</summary>
    private LeftOver? Serve(Member member)
    {
        if (member.IsLeaving)
            return LeftOver.Nothing;
        for (var told = 0; told < MostAtOnce; told++)
        {
            if (!member.Watcher.TryNext(out var next))
                break;   // something has to be read from Kafka for it
            if (next is null)
                return member.Watcher.HasEnded ? LeftOver.Nothing : null;
            if (next is EndEvent || member.Output.TrySend(FrameOf(next), mayWait: _members.Count > Crowd) is not { } sending)
                return new LeftOver(next, Task.CompletedTask);
            if (!sending.IsCompleted)
                return new LeftOver(null, sending);
        }
        return LeftOver.Nothing;
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
