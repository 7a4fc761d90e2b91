using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.Tests.Lanes;

/// <summary>
/// The lane protocol against owners, zombies, crashes, frozen members, hand-overs, retries, stops, retention and pending transactions, at random. Kafka is modelled as
/// far as the protocol leans on it: the group's generation is checked when offsets are added to a transaction and not when it commits; a pending transaction
/// makes the committed offset wait; one whose producer died is aborted some time later; `task-progress` is read uncommitted, the tables committed.
/// Every member is an iterator that may be left at any step, for ever (a crash) or for long (frozen), while the log's rules are the real ones.
/// </summary>
internal sealed class LaneModel
{
    private const int LaneCount = 2;
    private const int TasksPerLane = 3;
    private const int MostAttempts = 3;
    private const int MostLag = 3;   // records that a replica may not have read yet; retention takes none that is as young

    private readonly Random _random;
    private readonly LaneModelRules _rules;
    private readonly Lane[] _lanes = [.. Enumerable.Range(0, LaneCount).Select(_ => new Lane())];
    private readonly Dictionary<string, Member> _members = [];    // of the group, dead ones too until it notices
    private readonly List<IEnumerator<int>> _steps = [];
    private readonly HashSet<string> _stopped = [];
    private int _generation;
    private int _joined;

    public LaneModel(int seed, LaneModelRules? rules = null)
    {
        _random = new Random(seed);
        _rules = rules ?? new LaneModelRules();
        for (var lane = 0; lane < LaneCount; lane++)
            for (var task = 0; task < TasksPerLane; task++)
                _lanes[lane].Tasks.Add(($"t{lane}{task}", 1));
    }

    public int Spawns => _lanes.Sum(lane => lane.Spawns.Count);

    /// <summary>The steps and the logs, for whoever looks for the reason of a failure.</summary>
    public string Describe() => string.Join('\n', _lanes.SelectMany((lane, number) => lane.Steps.Select(step => $"{number}: {step}").Concat(lane.Progress.Select((record, offset) => $"{number}[{offset}] {Text(record)}"))));

    /// <summary>What went wrong; empty: nothing.</summary>
    public IReadOnlyList<string> Run()
    {
        for (var step = 0; step < 6000 && !IsOver(); step++)
            Step(step < 4000);
        return [.. _lanes.SelectMany(Judge)];
    }

    private bool IsOver() => _lanes.All(lane => lane.Ends.Select(end => end.Task).Distinct().Count() == TasksPerLane && lane.Open.Count == 0);

    private void Step(bool isRough)
    {
        var dice = _random.NextDouble();
        if (_members.Values.All(member => member.IsDead) || (isRough && dice < 0.01 && _joined < 12))
            Join();
        else if (isRough && dice < 0.02 && Pick(_members.Values) is { } killed)
            killed.IsDead = true;
        else if (dice < 0.04 && Pick(_members.Values.Where(member => isRough || member.IsDead)) is { } silent)
            Evict(silent);
        else if (isRough && dice < 0.06 && Pick(_lanes.Where(lane => lane.Owner is not null && lane.Next is null)) is { } moved)
            moved.Next = Pick(_members.Values.Where(member => !member.IsDead && member != moved.Owner));
        else if (dice < 0.08 && Pick(_lanes.SelectMany(lane => lane.Open).Where(open => open.Member.IsDead)) is { } abandoned)
            foreach (var lane in _lanes)
                lane.Open.Remove(abandoned);
        else if (dice < 0.12 && Pick(_lanes.Where(lane => lane.Schedule.Count > 0)) is { } scheduled)
            Fire(scheduled);
        else if (dice is >= 0.1205 and < 0.13)
            Snapshot(_lanes[_random.Next(LaneCount)]);
        else if (dice is >= 0.13 and < 0.14)
            Expire(_lanes[_random.Next(LaneCount)]);
        else if (isRough && dice is >= 0.12 and < 0.1205)
            _stopped.Add($"t{_random.Next(LaneCount)}{_random.Next(TasksPerLane)}");
        else if (Pick(_steps) is { } chosen && !chosen.MoveNext())
            _steps.Remove(chosen);
        foreach (var lane in _lanes.Where(lane => lane.Owner is null))
            lane.Owner = Pick(_members.Values);
    }

    private void Join()
    {
        var member = new Member($"w{_joined++}");
        _generation++;
        _members[member.Name] = member;
        _steps.Add(Live(member).GetEnumerator());
    }

    /// <summary>The session has run out: lanes go to others at once, whatever the member still believes.</summary>
    private void Evict(Member member)
    {
        _generation++;
        _members.Remove(member.Name);
        foreach (var lane in _lanes)
        {
            if (lane.Owner == member)
                lane.Owner = Pick(_members.Values);
            if (lane.Next == member)
                lane.Next = null;
        }
    }

    /// <summary>An API replica: the record first, then the tombstone; a second replica may have done the same.</summary>
    private void Fire(Lane lane)
    {
        var entry = Pick(lane.Schedule)!;
        lane.Tasks.Add(entry.Value);
        if (_random.Next(3) == 0)
            lane.Tasks.Add(entry.Value);
        lane.Schedule.Remove(entry);
    }

    /// <summary>An API replica, which may have read less than there is, tells again what it knows.</summary>
    private void Snapshot(Lane lane)
    {
        var log = new LaneLog();
        var end = lane.Progress.Count - _random.Next(MostLag + 1);
        for (var offset = _random.Next(2) == 0 ? 0 : lane.Start; offset < end; offset++)
            log.Apply(lane.Progress[offset], offset);
        if (Pick(log.Stories.Keys.Where(task => !lane.Ends.Exists(over => over.Task == task))) is { } known && log.Snapshot(known) is { } snapshot)
            lane.Progress.Add(snapshot);
    }

    /// <summary>
    /// Retention takes the oldest records. What an unended task depends on was told again long before, and so was a barrier that keeps an attempt; so whatever
    /// these rest upon is still there. A zombie writes for moments, so a barrier stays while it could still write, and what it makes void goes with it.
    /// </summary>
    private void Expire(Lane lane)
    {
        var log = new LaneLog();
        var snapshot = new Dictionary<string, long>();
        var (latest, voids) = (0L, (long)lane.Progress.Count);
        for (var offset = 0; offset < lane.Progress.Count; offset++)
            switch (log.Apply(lane.Progress[offset], offset))
            {
                case AttemptsSnapshot counted when offset < lane.Progress.Count - MostLag:
                    snapshot[counted.TaskId] = counted.ReadUpTo;
                    break;
                case LaneBarrier:
                    latest = offset;
                    break;
                case null when offset >= lane.Start && lane.Progress[offset] is AttemptRecord:
                    voids = Math.Min(voids, latest);
                    break;
            }
        var needed = Math.Min(latest, voids);
        foreach (var (task, story) in log.Stories.Where(story => _rules.Snapshots && !lane.Ends.Exists(over => over.Task == story.Key)))
            needed = Math.Min(needed, Math.Max(snapshot.GetValueOrDefault(task), story.From ?? needed));
        lane.Start = Math.Max(lane.Start, _random.Next((int)needed + 1));
        lane.Note($"retention takes all before {lane.Start}");
    }

    private IEnumerable<int> Live(Member member)
    {
        while (!member.IsDead)
        {
            yield return 0;
            if (!_members.ContainsKey(member.Name))
            {
                foreach (var lost in member.Owned.Keys.ToList())
                    Drop(member, lost);
                _generation++;
                _members[member.Name] = member;
            }
            member.Generation = _generation;
            foreach (var leaving in _lanes.Where(lane => lane.Owner == member && lane.Next is not null).ToList())
            {
                if (member.Owned.ContainsKey(leaving))
                {
                    foreach (var step in Commit(member))
                        yield return step;
                    if (member.Run is { IsDetached: false } run && run.Lane == leaving)
                    {
                        if (run.Attempt > 0)
                            leaving.Progress.Add(new AttemptHandedOver { Epoch = run.Claim.Epoch, Owner = run.Claim.Owner, TaskId = run.Task, Attempt = run.Attempt });
                        else
                            run.IsLeft = true;
                        yield return 0;
                    }
                    Drop(member, leaving);
                }
                if (leaving.Owner == member)   // it may have been evicted meanwhile
                {
                    _generation++;
                    (leaving.Owner, leaving.Next) = (_members.ContainsKey(leaving.Next?.Name ?? "") ? leaving.Next : null, null);
                }
                member.Generation = _generation;
            }
            foreach (var lane in _lanes.Where(lane => lane.Owner == member && !member.Owned.ContainsKey(lane)).ToList())
                foreach (var step in Claim(member, lane))
                    yield return step;
            foreach (var (lane, owned) in member.Owned.ToList())
                Look(member, lane, owned);
            if (member.Run is { } own && (own.IsDone || own.IsLeft))
                member.Run = null;
            if (member.Run is null && member.Owned.Values.SelectMany(owned => owned.Waiting.Select(task => (owned, task))).ToList() is { Count: > 0 } waiting)
                Start(member, waiting[_random.Next(waiting.Count)]);
            if (_random.Next(2) == 0)
                foreach (var step in Commit(member))
                    yield return step;
        }
    }

    private IEnumerable<int> Claim(Member member, Lane lane)
    {
        var generation = member.Generation;
        if (_rules.CommittedFirst)
            while (lane.Open.Exists(open => open.HasOffset))
                yield return 0;
        var committed = lane.Committed;
        yield return 0;
        var written = _rules.ReadsBehindOpen ? lane.Written.Count : 0;
        while (lane.Written.Take(written).Any(write => lane.Open.Contains(write.Open)))
            yield return 0;
        var (before, table) = lane.ReadCommitted();
        var (ended, waiting) = (table.Where(state => state.Value.Status.IsEnd()).Select(state => state.Key).ToHashSet(), table.Values.Where(state => !state.Status.IsEnd()).ToList());
        yield return 0;
        var claim = new Claim((before?.Epoch ?? 0) + 1, $"{member.Name}.{_joined}.{_random.Next()}");
        var claimed = (before ?? new LaneState { Lane = 0, Epoch = 0, Owner = "", Worker = "" }) with { Epoch = claim.Epoch, Owner = claim.Owner, Next = Math.Max(before?.Next ?? 0, committed) };
        var done = false;
        foreach (var step in Transact(member, generation, [(lane, claimed, [], [])], () => done = true))
            yield return step;
        if (!done)
            yield break;
        var log = new LaneLog(before?.FromOwner is { } owner ? new Claim(before.FromEpoch, owner) : null);
        foreach (var state in waiting)
            log.Settle(state);
        var read = Math.Max(lane.Start, (int)(before?.From ?? 0));
        for (; read < lane.Progress.Count; read++)
            log.Apply(lane.Progress[read], read);
        yield return 0;
        var running = member.Run is { Attempt: > 0 } run && run.Lane == lane && log.Stories.GetValueOrDefault(run.Task) is { IsOpen: true } story && story.Attempts[^1].Attempt == run.Attempt
            ? new KeptAttempt(run.Task, run.Attempt) : null;
        var barrier = new LaneBarrier { Lane = 0, Epoch = claim.Epoch, Owner = claim.Owner, Worker = member.Name, Keeps = _rules.Keeps ? [.. log.HandedOver.Union(running is null ? [] : [running])] : [] };
        lane.Progress.Add(barrier);
        var end = lane.Progress.Count;
        yield return 0;
        for (; read < end; read++)
            log.Apply(lane.Progress[read], read);
        foreach (var taskId in ended)
            log.Forget(taskId);
        lane.Note($"{member.Name} claims, epoch {claim.Epoch}, from {before?.From ?? 0} ({before?.FromEpoch ?? 0}): {string.Join(", ", log.Stories.Select(story => $"{story.Key} {Text(story.Value.Attempts)}"))}");
        if (lane.Owner == member && member.Generation == generation)
            member.Owned[lane] = new Owned(claim, log, ended, (int)claimed.Next, end) { Kept = [.. barrier.Keeps] };
    }

    /// <summary>What an owner does about its lane's tasks: reads on, hears attempts that go on elsewhere, decides.</summary>
    private void Look(Member member, Lane lane, Owned owned)
    {
        for (; owned.Followed < lane.Progress.Count; owned.Followed++)
        {
            var record = lane.Progress[owned.Followed];
            if (record is LaneBarrier own && own.Owner == owned.Claim.Owner)
            {
                owned.Log.Apply(own, owned.Followed);
                owned.Kept.IntersectWith(own.Keeps);
            }
            else if (record is AttemptRecord attempt
                && (owned.Kept.Contains(new KeptAttempt(attempt.TaskId, attempt.Attempt)) || (attempt.Owner == owned.Claim.Owner && record is not AttemptHandedOver)))
                owned.Log.Apply(attempt, owned.Followed);
        }
        if (member.Run is { IsDetached: true } detached && detached.Lane == lane && lane.Progress.OfType<LaneBarrier>().LastOrDefault() is { } last
            && last.Epoch >= detached.Claim.Epoch && last.Owner != detached.Claim.Owner && !last.Keeps.Contains(new KeptAttempt(detached.Task, detached.Attempt)))
            detached.IsLeft = true;
        if (owned.Kept.Count > 0 && _random.Next(40) == 0)   // one is silent for too long
            lane.Progress.Add(new LaneBarrier { Lane = 0, Epoch = owned.Claim.Epoch, Owner = owned.Claim.Owner, Worker = member.Name, Keeps = [.. owned.Kept.Skip(1)] });
        for (; owned.Read < lane.Tasks.Count; owned.Read++)
        {
            var (task, attempt) = lane.Tasks[owned.Read];
            var next = owned.Log.Stories.GetValueOrDefault(task)?.Settled + 1 ?? 1;
            if (owned.Ended.Contains(task) || owned.Offsets.ContainsKey(task) || attempt != next)
                continue;
            owned.Offsets[task] = owned.Read;
        }
        owned.Waiting.Clear();
        foreach (var task in owned.Offsets.Keys.Where(task => member.Run is not { IsDetached: false } run || run.Task != task).ToList())
            Decide(owned, task);
    }

    private void Decide(Owned owned, string task)
    {
        var story = owned.Log.Stories.GetValueOrDefault(task);
        if (story is { IsOpen: true })
            return;
        if (story?.Outcome is { ExitCode: not 0 } && story.Charged < MostAttempts && !_stopped.Contains(task))
        {
            var state = State(task, story, Status.RetryWaiting);
            owned.Decided.Add((state, (task, story.NextAttempt)));
            owned.Log.Settle(state);
            owned.Offsets.Remove(task);
        }
        else if (story?.Outcome is not null || _stopped.Contains(task))
        {
            owned.Decided.Add((State(task, story, story?.Outcome is { ExitCode: 0 } ? Status.Succeeded : _stopped.Contains(task) ? Status.Stopped : Status.Failed), null));
            owned.Log.Forget(task);
            owned.Ended.Add(task);
            owned.Offsets.Remove(task);
        }
        else
            owned.Waiting.Add(task);
    }

    private void Start(Member member, (Owned Owned, string Task) chosen)
    {
        var lane = member.Owned.First(pair => pair.Value == chosen.Owned).Key;
        var run = member.Run = new AgentRun(lane, chosen.Task, chosen.Owned.Claim);
        _steps.Add(Run(member, chosen.Owned, run).GetEnumerator());
    }

    private IEnumerable<int> Run(Member member, Owned owned, AgentRun run)
    {
        yield return 0;   // the project's config
        if (member.IsDead || run.IsLeft || run.IsDetached)
        {
            run.IsLeft = true;
            yield break;
        }
        run.Attempt = owned.Log.Stories.GetValueOrDefault(run.Task)?.NextAttempt ?? 1;
        run.Lane.Progress.Add(new AttemptStarting { Epoch = run.Claim.Epoch, Owner = run.Claim.Owner, TaskId = run.Task, Attempt = run.Attempt, Worker = member.Name });
        yield return 0;
        if (member.IsDead)
            yield break;
        run.Lane.Note($"{member.Name} spawns {run.Task}/{run.Attempt}, epoch {run.Claim.Epoch}");
        run.Lane.Spawns.Add((run.Task, run.Attempt, run.Lane.Progress.Count));
        for (var length = _random.Next(6); length > 0 && !run.IsLeft; length--)
            yield return 0;
        if (member.IsDead)
            yield break;
        run.Lane.Progress.Add(run.IsLeft
            ? new AttemptAbandoned { Epoch = run.Claim.Epoch, Owner = run.Claim.Owner, TaskId = run.Task, Attempt = run.Attempt, Reason = EndReason.WorkerLost }
            : new AttemptExited { Epoch = run.Claim.Epoch, Owner = run.Claim.Owner, TaskId = run.Task, Attempt = run.Attempt, Reason = EndReason.ExitCode, ExitCode = _random.Next(3) == 0 ? 1 : 0, Lines = 0, Hash = "" });
        yield return 0;
        run.IsDone = true;
    }

    private IEnumerable<int> Commit(Member member)
    {
        var writes = member.Owned.Where(owned => owned.Value.Decided.Count > 0).Select(pair =>
        {
            var (lane, owned) = pair;
            var next = owned.Offsets.Count > 0 ? owned.Offsets.Values.Min() : owned.Read;
            var (from, inForce) = owned.Log.Resume();
            if (!_rules.KeepsStory)
                (from, inForce) = (lane.Progress.Count, owned.Claim);
            var state = new LaneState { Lane = 0, Epoch = owned.Claim.Epoch, Owner = owned.Claim.Owner, Worker = member.Name, Next = next, From = from, FromEpoch = inForce?.Epoch ?? 0, FromOwner = inForce?.Owner };
            return (lane, state, States: owned.Decided.Select(decided => decided.State).ToList(), Schedule: owned.Decided.Select(decided => decided.Next).OfType<(string, int)>().ToList());
        }).ToList();
        if (writes.Count == 0)
            yield break;
        var owners = member.Owned.Values.ToList();
        var done = false;
        foreach (var step in Transact(member, member.Generation, writes, () => done = true))
            yield return step;
        if (done)
            foreach (var owned in owners)
                owned.Decided.Clear();
    }

    /// <summary>A step before each moment at which a crash or another member makes a difference.</summary>
    private IEnumerable<int> Transact(Member member, int generation, IReadOnlyList<(Lane Lane, LaneState State, List<TaskState> States, List<(string, int)> Schedule)> writes, Action committed)
    {
        var open = new Open(member);
        foreach (var write in writes)
            write.Lane.Open.Add(open);
        // The records are on their way while the offsets are added: either may come first.
        var isWritten = _random.Next(2) == 0;
        if (isWritten)
            Write();
        for (var hangs = _random.Next(10) == 0 ? _random.Next(60) : 1; hangs > 0; hangs--)
            yield return 0;
        // What the group knows of the member: its generation, as far as it has heard; the owner has not been told otherwise.
        if (generation != _generation || !_members.ContainsKey(member.Name))
        {
            foreach (var write in writes)
                write.Lane.Open.Remove(open);
            yield break;
        }
        open.HasOffset = true;
        yield return 0;
        if (!isWritten)
            Write();
        yield return 0;
        if (!writes.All(write => write.Lane.Open.Remove(open)))
            yield break;   // aborted meanwhile
        open.IsCommitted = true;
        foreach (var (lane, state, states, schedule) in writes)
        {
            lane.Committed = state.Next;
            lane.Ends.AddRange(states.Where(task => task.Status.IsEnd()).Select(task => (task.TaskId, task)));
            lane.Schedule.AddRange(schedule.Select(entry => ((string, int)?)entry));
        }
        committed();
        yield return 0;

        void Write()
        {
            foreach (var write in writes)
                write.Lane.Written.Add((open, write.State, write.States));
        }
    }

    private static void Drop(Member member, Lane lane)
    {
        member.Owned.Remove(lane);
        if (member.Run is { } run && run.Lane == lane)
            run.IsDetached = true;
    }

    private static TaskState State(string task, TaskStory? story, Status status) => new()
    {
        TaskId = task,
        Status = status,
        Attempt = story is { Attempts: [.., var last] } ? last.Attempt : 0,
        Attempts = [.. story?.Attempts ?? []],
        LogEnd = story?.LogEnd ?? -1,
        Task = new TaskSubmission { TaskId = task, Type = "t" },
    };

    /// <summary>A reader of the whole log is the judge.</summary>
    private static IEnumerable<string> Judge(Lane lane)
    {
        var log = new LaneLog();
        var outcomes = new List<(AttemptExited Record, int Offset)>();
        for (var offset = 0; offset < lane.Progress.Count; offset++)
            if (log.Apply(lane.Progress[offset], offset) is AttemptExited exited)
                outcomes.Add((exited, offset));
        foreach (var task in lane.Tasks.Select(task => task.Task).Distinct())
        {
            var ends = lane.Ends.Where(end => end.Task == task).ToList();
            if (ends.Count != 1)
                yield return $"{task} ended {ends.Count} times";
            foreach (var (_, end) in ends.Where(end => end.State.Status != Status.Stopped))
                if (!outcomes.Exists(outcome => outcome.Record.TaskId == task && outcome.Record.Attempt == end.Attempt))
                    yield return $"{task} ended by attempt {end.Attempt}, of which the log has no outcome that counts";
            foreach (var (_, end) in ends)
                if (!end.Attempts.Select(attempt => attempt.Attempt).SequenceEqual(Enumerable.Range(1, end.Attempts.Count)))
                    yield return $"{task} counts its attempts {string.Join(", ", end.Attempts.Select(attempt => attempt.Attempt))}";
            foreach (var (done, at) in outcomes.Where(outcome => outcome.Record.TaskId == task && outcome.Record.ExitCode == 0))
                if (lane.Spawns.Exists(spawn => spawn.Task == task && spawn.Attempt > done.Attempt && spawn.Position > at + 1))
                    yield return $"{task} was run again although attempt {done.Attempt} had succeeded";
        }
    }

    private static string Text(ProgressRecord record) => record switch
    {
        LaneBarrier barrier => $"{barrier.Epoch} barrier {barrier.Worker}, keeps {string.Join(' ', barrier.Keeps.Select(kept => $"{kept.TaskId}/{kept.Attempt}"))}",
        AttemptsSnapshot snapshot => $"{snapshot.Epoch} snapshot {snapshot.TaskId}: {Text(snapshot.Attempts)}, read up to {snapshot.ReadUpTo}",
        AttemptRecord attempt => $"{attempt.Epoch} {attempt.GetType().Name} {attempt.TaskId}/{attempt.Attempt}",
        _ => record.GetType().Name,
    };

    private static string Text(IEnumerable<AttemptSummary> attempts) => string.Join(' ', attempts.Select(attempt => $"{attempt.Attempt}:{attempt.Reason?.ToString() ?? "open"}"));

    private T? Pick<T>(IEnumerable<T> from)
    {
        List<T> all = [.. from];
        return all.Count == 0 ? default : all[_random.Next(all.Count)];
    }

    private sealed class Lane
    {
        public List<(string Task, int Attempt)> Tasks { get; } = [];
        public List<ProgressRecord> Progress { get; } = [];

        public List<string> Steps { get; } = [];

        /// <summary>The first of them that retention has not taken.</summary>
        public int Start { get; set; }

        public void Note(FormattableString step) => Steps.Add(FormattableString.Invariant($"at {Progress.Count}: {step}"));

        /// <summary>The committed table, as it is written: what was aborted stays in it.</summary>
        public List<(Open Open, LaneState Claim, IReadOnlyList<TaskState> Tasks)> Written { get; } = [];

        public List<(string Task, int Attempt)?> Schedule { get; } = [];
        public long Committed { get; set; }
        public Member? Owner { get; set; }
        public Member? Next { get; set; }
        public List<Open> Open { get; } = [];
        public List<(string Task, TaskState State)> Ends { get; } = [];
        public List<(string Task, int Attempt, int Position)> Spawns { get; } = [];

        /// <summary>What a reader of committed records is given: nothing from the first open transaction on, also of those that are committed behind it.</summary>
        public (LaneState? Claim, Dictionary<string, TaskState> Tasks) ReadCommitted()
        {
            LaneState? claim = null;
            Dictionary<string, TaskState> table = [];
            foreach (var write in Written.TakeWhile(write => !Open.Contains(write.Open)).Where(write => write.Open.IsCommitted))
            {
                claim = write.Claim;
                foreach (var task in write.Tasks)
                    table[task.TaskId] = task;
            }
            return (claim, table);
        }
    }

    private sealed class Open(Member member)
    {
        public Member Member { get; } = member;
        public bool HasOffset { get; set; }
        public bool IsCommitted { get; set; }
    }

    private sealed class Member(string name)
    {
        public string Name { get; } = name;
        public bool IsDead { get; set; }
        public int Generation { get; set; }
        public Dictionary<Lane, Owned> Owned { get; } = [];
        public AgentRun? Run { get; set; }
    }

    private sealed class Owned(Claim claim, LaneLog log, HashSet<string> ended, int read, int followed)
    {
        public Claim Claim { get; } = claim;
        public LaneLog Log { get; } = log;
        public HashSet<string> Ended { get; } = ended;
        public int Read { get; set; } = read;
        public int Followed { get; set; } = followed;
        public HashSet<KeptAttempt> Kept { get; init; } = [];
        public Dictionary<string, int> Offsets { get; } = [];
        public List<string> Waiting { get; } = [];
        public List<(TaskState State, (string, int)? Next)> Decided { get; } = [];
    }

    private sealed class AgentRun(Lane lane, string task, Claim claim)
    {
        public Lane Lane { get; } = lane;
        public string Task { get; } = task;
        public Claim Claim { get; } = claim;
        public int Attempt { get; set; }
        public bool IsDetached { get; set; }
        public bool IsLeft { get; set; }
        public bool IsDone { get; set; }
    }
}

/// <summary>The parts of the protocol that the model can leave out, to show that it notices.</summary>
internal sealed record LaneModelRules(bool CommittedFirst = true, bool KeepsStory = true, bool Keeps = true, bool Snapshots = true, bool ReadsBehindOpen = true);
