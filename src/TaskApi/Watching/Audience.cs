using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// The watchers of one log that have been sent all of it so far. The next event is mostly the same for all of them, so one loop writes it directly to
/// their sockets, at a fraction of the cost of one woken loop per watcher. For watchers at the same place, the next event is looked up once. A
/// watcher whose acknowledgements come later than the next message gets bundles of messages instead. A watcher whose socket does not accept a message
/// at once returns to its own loop.
/// </summary>
internal sealed class Audience(TaskLog log)
{
    private static readonly ConditionalWeakTable<TaskLog, Audience> Audiences = [];

    private const int Crowd = 100;             // with more members a message can wait for the acknowledgement of the previous one
    private const int MostAtOnce = 16;         // events per member and round, so that one does not delay the others
    private const int MostHeld = 64 * 1024;    // bytes per bundle
    private const int Portion = 100;           // late members between two looks for news
    private static readonly TimeSpan BetweenBundles = TimeSpan.FromMilliseconds(15);
    private static readonly TimeSpan ShortestRest = TimeSpan.FromMilliseconds(3);   // timers are hardly more exact
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly List<Member> _arriving = [];   // guarded by _gate, like the next two
    private bool _isLeft;                           // a member in the lists wants to leave
    private bool _isRunning;
    private readonly ChangeSignal _asked = new();
    private readonly List<Member> _apart = [];      // used only by the loop, like the next; served one by one
    private Circle _prompt = new();                 // get each event at once
    private Circle _late = new();                   // get bundles: single messages would wait for acknowledgements anyway
    private Watcher? _lead;                         // the place of the members of both circles that have everything
    private bool _isLeadBlocked;                    // members at this place must return to their own loops
    private long _bundledAt;
    private Framed? _framed;
    private bool _isCrowd;

    /// <summary>The audience of a log; it lives as long as the log.</summary>
    public static Audience Of(TaskLog log) => Audiences.GetValue(log, static log => new Audience(log));

    /// <summary>Completes when the watcher has to continue in its own loop. Until then only the audience takes events from it.</summary>
    public Task<LeftOver> AttendAsync(Watcher watcher, DirectOutput output, CancellationToken leaving)
    {
        var member = new Member(watcher, output, this);
        member.Leaving = leaving.UnsafeRegister(static member => ((Member)member!).Leave(), member);
        lock (_gate)
        {
            _arriving.Add(member);
            _isLeft |= member.IsLeaving;
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
                var (changed, asked) = (log.Changed.Next, _asked.Next);   // taken before both are checked
                var since = Stopwatch.GetTimestamp();
                UpdateMembers();
                SendNews();
                if (IsOver())
                    return;
                // The more members there are, the more news each round collects.
                if (Stopwatch.GetElapsedTime(since) / 2 is var rest && rest > ShortestRest)
                    await Task.Delay(rest < LongestRest ? rest : LongestRest);
                await (_late.IsBehind ? Task.WhenAny(changed, asked, Task.Delay(UntilBundle())) : Task.WhenAny(changed, asked));
            }
        }
        catch (Exception exception)
        {
            Fail(exception);
            throw;
        }
    }

    /// <summary>Adds arriving members, and dismisses those that want to leave.</summary>
    private void UpdateMembers()
    {
        lock (_gate)
        {
            _apart.AddRange(_arriving);
            _arriving.Clear();
            if (!_isLeft)
                return;
            _isLeft = false;
        }
        _apart.RemoveAll(member => member.IsLeaving && member.Dismiss(LeftOver.Nothing));
        _prompt.Members.RemoveAll(member => member.IsLeaving && member.Dismiss(LeftOver.Nothing, _prompt.At));
        _late.Members.RemoveAll(member => member.IsLeaving && member.Dismiss(LeftOver.Nothing, _late.At));
    }

    private bool IsOver()
    {
        lock (_gate)
            return !(_isRunning = _apart.Count + _prompt.Members.Count + _late.Members.Count + _arriving.Count > 0);
    }

    private void Fail(Exception exception)
    {
        lock (_gate)
        {
            foreach (var member in (List<Member>)[.. _apart, .. _prompt.Members, .. _late.Members, .. _arriving])
                member.Fail(exception);
            _apart.Clear();
            _arriving.Clear();
            (_prompt, _late, _lead) = (new(), new(), null);
            _isRunning = false;
        }
    }

    private void SendNews()
    {
        _isCrowd = _apart.Count + _prompt.Members.Count + _late.Members.Count > Crowd;
        Gather();
        _apart.RemoveAll(IsServed);
        Send(_prompt);
        _apart.RemoveAll(JoinsLead);
        if (_late.Held >= MostHeld || UntilBundle() == TimeSpan.Zero)
            SendToLate();
        if (_isLeadBlocked)   // can have become true since
            SendToLate();
        if (_prompt.Members.Count + _late.Members.Count == 0)
            _lead = null;
        _framed = null;
    }

    /// <summary>In whole milliseconds, so that a timer does not fire too early.</summary>
    private TimeSpan UntilBundle() =>
        TimeSpan.FromMilliseconds(Math.Max(0, Math.Ceiling((BetweenBundles - Stopwatch.GetElapsedTime(_bundledAt)).TotalMilliseconds)));

    /// <summary>Looks up the next events once for all members at the lead's place.</summary>
    private void Gather()
    {
        _isLeadBlocked = false;
        for (var count = 0; _lead is not null; count++)
        {
            var ahead = _lead.Copy();
            _isLeadBlocked = !ahead.TryNext(out var next) || ahead.HasEnded || (next is not null && count == MostAtOnce);
            if (_isLeadBlocked)
                return;
            _lead = ahead;
            if (next is null)
                return;
            var frame = FrameOf(next);
            _prompt.Hold(frame);
            _late.Hold(frame);
        }
    }

    /// <summary>There can be many late members, so the prompt ones get the news of the meantime in between.</summary>
    private void SendToLate()
    {
        var count = 0;
        Send(_late, () =>
        {
            if (++count % Portion != 0 || _isLeadBlocked)
                return;
            Gather();
            Send(_prompt);
        });
        _bundledAt = Stopwatch.GetTimestamp();
        if (_lead is null || !_late.At!.IsBeside(_lead))
            return;
        _late.Move(member => !member.IsLate, _prompt);
        _prompt.Move(member => member.IsLate, _late);
    }

    /// <param name="between">Called before each member.</param>
    private void Send(Circle circle, Action? between = null)
    {
        var (message, lead, isBlocked) = (circle.Take(), _lead, _isLeadBlocked);
        if (message.Length > 0 || isBlocked)
            circle.Members.RemoveAll(IsLeft);
        circle.At = lead;

        bool IsLeft(Member member)
        {
            between?.Invoke();
            var sending = message.Length > 0 ? member.TrySend(message, _isCrowd) : Task.CompletedTask;
            return sending is null ? member.Dismiss(LeftOver.Nothing, circle.At)
                : (isBlocked || !sending.IsCompleted) && member.Dismiss(new LeftOver(null, sending), lead);
        }
    }

    /// <summary>False: the member stays, and has been sent everything, or everything that the lead has.</summary>
    private bool IsServed(Member member)
    {
        for (var count = 0; count < MostAtOnce; count++)
        {
            if (_lead is not null && !_isLeadBlocked && member.Watcher.IsBeside(_lead))
                return false;
            if (!member.Watcher.TryNext(out var next))
                break;   // its next event has to be read from Kafka
            if (next is null)
                return member.Watcher.HasEnded && member.Dismiss(LeftOver.Nothing);
            if (next is EndEvent || member.TrySend(FrameOf(next), _isCrowd) is not { } sending)
                return member.Dismiss(new LeftOver(next, Task.CompletedTask));
            if (!sending.IsCompleted)
                return member.Dismiss(new LeftOver(null, sending));
        }
        return member.Dismiss(LeftOver.Nothing);
    }

    private bool JoinsLead(Member member)
    {
        if (_lead is null && member.Watcher.IsLikeOthers)
            _lead = _prompt.At = _late.At = member.Watcher.Copy();
        if (_lead is null || !member.Watcher.IsBeside(_lead))
            return false;
        _prompt.Members.Add(member);
        return true;
    }

    /// <summary>A WebSocket message of one frame. Frames of a server have no mask, so they are the same for all clients (RFC 6455, 5.2).</summary>
    private byte[] FrameOf(WatchEvent watchEvent)
    {
        if (_framed is { } framed && framed.Event == watchEvent)
            return framed.Frame;
        const byte wholeText = 0x81;
        var json = watchEvent.Json.Span;
        byte[] head = json.Length <= 125 ? [wholeText, (byte)json.Length] : json.Length <= ushort.MaxValue ? [wholeText, 126, 0, 0]
            : [wholeText, 127, .. new byte[8]];
        if (head.Length == 4)
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(2), (ushort)json.Length);
        else if (head.Length == 10)
            BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(2), json.Length);
        byte[] frame = [.. head, .. json];
        _framed = new Framed(watchEvent, frame);
        return frame;
    }

    private sealed record Framed(WatchEvent Event, byte[] Frame);

    /// <summary>Members at the same place, which get the same bytes.</summary>
    private sealed class Circle
    {
        private readonly List<byte[]> _held = [];   // frames

        public List<Member> Members { get; } = [];

        /// <summary>The place of its members.</summary>
        public Watcher? At { get; set; }

        /// <summary>Bytes that its members have not been sent yet.</summary>
        public int Held { get; private set; }

        public bool IsBehind => Held > 0 && Members.Count > 0;

        public void Hold(byte[] frame)
        {
            _held.Add(frame);
            Held += frame.Length;
        }

        public byte[] Take()
        {
            var message = new byte[Held];
            var at = 0;
            foreach (var frame in _held)
            {
                frame.CopyTo(message, at);
                at += frame.Length;
            }
            _held.Clear();
            Held = 0;
            return message;
        }

        /// <summary>Moves members to another circle at the same place.</summary>
        public void Move(Predicate<Member> who, Circle other) => Members.RemoveAll(member =>
        {
            if (!who(member))
                return false;
            other.Members.Add(member);
            return true;
        });
    }

    private sealed class Member(Watcher watcher, DirectOutput output, Audience audience) : TaskCompletionSource<LeftOver>(
        TaskCreationOptions.RunContinuationsAsynchronously)
    {
        private const int SendsPerLook = 16;   // a look at the TCP state costs half of a send
        private const int MostLateness = 4;
        private int _sends;
        private int _lateness;   // rises with each look that finds it late, falls with each other look

        public Watcher Watcher => watcher;
        public bool IsLeaving { get; private set; }   // guarded by the audience's _gate
        public CancellationTokenRegistration Leaving { get; set; }

        /// <summary>Whether it usually has not acknowledged a message when the next one is ready.</summary>
        public bool IsLate { get; private set; }

        public Task? TrySend(byte[] message, bool isCrowd)
        {
            if (!isCrowd)
                (IsLate, _lateness) = (false, 0);
            else if (++_sends % SendsPerLook == 0)
            {
                _lateness = Math.Clamp(_lateness + (output.IsUnacknowledged ? 1 : -1), 0, MostLateness);
                IsLate = _lateness == MostLateness || (IsLate && _lateness > 0);
            }
            return output.TrySend(message, mayWait: isCrowd);
        }

        public void Leave()
        {
            lock (audience._gate)
                audience._isLeft = IsLeaving = true;
            audience._asked.Raise();
        }

        /// <summary>Ends its time in the audience. Returns true, for use in predicates.</summary>
        /// <param name="at">The place that it has reached in its circle.</param>
        public bool Dismiss(LeftOver leftOver, Watcher? at = null)
        {
            Leaving.Unregister();
            if (at is not null)
                watcher.Follow(at);
            SetResult(leftOver);
            return true;
        }

        public void Fail(Exception exception)
        {
            Leaving.Unregister();
            TrySetException(exception);
        }
    }
}

/// <summary>What a watcher's own loop has to do next.</summary>
/// <param name="Unsent">An event that was taken but not sent.</param>
/// <param name="Sending">Must complete before anything else is sent.</param>
internal sealed record LeftOver(WatchEvent? Unsent, Task Sending)
{
    public static readonly LeftOver Nothing = new(null, Task.CompletedTask);
}
