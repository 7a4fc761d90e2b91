using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Logs;

namespace TaskPipeline.TaskApi.Watching;

/// <summary>
/// The watchers of one log that have been sent all of it so far. What comes next is mostly the same for all of them: one loop goes round and gives it
/// straight to their sockets, which costs a fraction of waking a loop of each. Those who stand at the same place are not even asked, but one for all of
/// them. Whoever is too far away, or too slow, to acknowledge one message before the next is told in bundles, which are as good to it and cost little; and
/// whose socket does not take what it is sent at once is left to its own loop again.
/// </summary>
internal sealed class Audience(TaskLog log)
{
    private static readonly ConditionalWeakTable<TaskLog, Audience> Audiences = [];

    private const int Crowd = 100;             // beyond so many a message may wait until its watcher has acknowledged the one before
    private const int MostAtOnce = 16;         // events of a round; who has more to read would keep the others waiting
    private const int MostHeld = 64 * 1024;    // bytes of a bundle
    private const int Portion = 100;           // of those who are late, who are told before it is looked for news
    private static readonly TimeSpan BetweenBundles = TimeSpan.FromMilliseconds(15);
    private static readonly TimeSpan ShortestRest = TimeSpan.FromMilliseconds(3);   // a timer is hardly more exact
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly List<Member> _arriving = [];   // guarded by the gate, as are the next two
    private bool _isLeft;                           // by some who are in the lists still
    private bool _isRunning;
    private readonly ChangeSignal _asked = new();
    private readonly List<Member> _apart = [];      // the loop's own, as are the next; asked one by one
    private Circle _prompt = new();                 // told at once what comes
    private Circle _late = new();                   // told in bundles: a message would wait anyway, until they have acknowledged the one before
    private Watcher? _lead;                         // stands where those of both stand who have been told everything
    private bool _isLeadBlocked;                    // from there each has to go on by itself
    private long _bundledAt;
    private Framed? _framed;
    private bool _isCrowd;

    /// <summary>The audience of a log, which lives as long as that.</summary>
    public static Audience Of(TaskLog log) => Audiences.GetValue(log, static log => new Audience(log));

    /// <summary>Comes back when the watcher has to go on by itself. Until then nobody else may ask it for events.</summary>
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
                var (changed, asked) = (log.Changed.Next, _asked.Next);   // before the look at either
                var since = Stopwatch.GetTimestamp();
                Admit();
                GoRound();
                if (IsOver())
                    return;
                // The more they are, the more of what comes meanwhile goes out together.
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

    /// <summary>Who has come is let in, and who wants to go, out.</summary>
    private void Admit()
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

    private void GoRound()
    {
        _isCrowd = _apart.Count + _prompt.Members.Count + _late.Members.Count > Crowd;
        Gather();
        _apart.RemoveAll(IsServed);
        Send(_prompt);
        _apart.RemoveAll(IsNowTogether);
        if (_late.Held >= MostHeld || UntilBundle() == TimeSpan.Zero)
            SendToLate();
        if (_isLeadBlocked)   // may be by now
            SendToLate();
        if (_prompt.Members.Count + _late.Members.Count == 0)
            _lead = null;
        _framed = null;
    }

    /// <summary>In whole milliseconds, so that a timer does not come too early.</summary>
    private TimeSpan UntilBundle() =>
        TimeSpan.FromMilliseconds(Math.Max(0, Math.Ceiling((BetweenBundles - Stopwatch.GetElapsedTime(_bundledAt)).TotalMilliseconds)));

    /// <summary>Asks once for all who are together.</summary>
    private void Gather()
    {
        _isLeadBlocked = false;
        for (var told = 0; _lead is not null; told++)
        {
            var ahead = _lead.Copy();
            _isLeadBlocked = !ahead.TryNext(out var next) || ahead.HasEnded || (next is not null && told == MostAtOnce);
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

    /// <summary>They are many, so those who are prompt are told between them what has come meanwhile.</summary>
    private void SendToLate()
    {
        var told = 0;
        Send(_late, () =>
        {
            if (++told % Portion != 0 || _isLeadBlocked)
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

    /// <param name="between">Called for each member.</param>
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

    /// <summary>False: it stays, and has been sent everything, or what those have been sent who are together.</summary>
    private bool IsServed(Member member)
    {
        for (var told = 0; told < MostAtOnce; told++)
        {
            if (_lead is not null && !_isLeadBlocked && member.Watcher.IsBeside(_lead))
                return false;
            if (!member.Watcher.TryNext(out var next))
                break;   // something has to be read from Kafka for it
            if (next is null)
                return member.Watcher.HasEnded && member.Dismiss(LeftOver.Nothing);
            if (next is EndEvent || member.TrySend(FrameOf(next), _isCrowd) is not { } sending)
                return member.Dismiss(new LeftOver(next, Task.CompletedTask));
            if (!sending.IsCompleted)
                return member.Dismiss(new LeftOver(null, sending));
        }
        return member.Dismiss(LeftOver.Nothing);
    }

    private bool IsNowTogether(Member member)
    {
        if (_lead is null && member.Watcher.IsLikeOthers)
            _lead = _prompt.At = _late.At = member.Watcher.Copy();
        if (_lead is null || !member.Watcher.IsBeside(_lead))
            return false;
        _prompt.Members.Add(member);
        return true;
    }

    /// <summary>A WebSocket message of one frame, which from a server has no mask and so is the same for all (RFC 6455, 5.2).</summary>
    private byte[] FrameOf(WatchEvent told)
    {
        if (_framed is { } framed && framed.Event == told)
            return framed.Frame;
        const byte wholeText = 0x81;
        var json = told.Json.Span;
        byte[] head = json.Length <= 125 ? [wholeText, (byte)json.Length] : json.Length <= ushort.MaxValue ? [wholeText, 126, 0, 0]
            : [wholeText, 127, .. new byte[8]];
        if (head.Length == 4)
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(2), (ushort)json.Length);
        else if (head.Length == 10)
            BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(2), json.Length);
        byte[] frame = [.. head, .. json];
        _framed = new Framed(told, frame);
        return frame;
    }

    private sealed record Framed(WatchEvent Event, byte[] Frame);

    /// <summary>Members who stand at the same place and are told the same.</summary>
    private sealed class Circle
    {
        private readonly List<byte[]> _held = [];   // frames

        public List<Member> Members { get; } = [];

        /// <summary>Where they stand.</summary>
        public Watcher? At { get; set; }

        /// <summary>Bytes that they have not been told.</summary>
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

        /// <summary>To another one that stands at the same place.</summary>
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
        private const int SendsPerLook = 16;   // to look costs half of a send
        private const int MostLateness = 4;
        private int _sends;
        private int _lateness;   // grows by one with each look that finds it late, and shrinks with each other

        public Watcher Watcher => watcher;
        public bool IsLeaving { get; private set; }   // guarded by the audience's gate
        public CancellationTokenRegistration Leaving { get; set; }

        /// <summary>Whether it mostly has not acknowledged a message when there is the next.</summary>
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

        /// <summary>Always true.</summary>
        /// <param name="at">Where it has got to among others.</param>
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

/// <summary>What is left to a watcher's own loop.</summary>
/// <param name="Unsent">Was handed out and is not sent.</param>
/// <param name="Sending">Has to be over before anything else is sent.</param>
internal sealed record LeftOver(WatchEvent? Unsent, Task Sending)
{
    public static readonly LeftOver Nothing = new(null, Task.CompletedTask);
}
