using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using Xunit;

namespace TaskPipeline.Tests.Lanes;

public sealed class LaneLogTests
{
    private readonly LaneLog _log = new();
    private long _offset;

    [Fact]
    public void Records_of_an_earlier_claim_are_void_behind_a_barrier()
    {
        Take(Barrier(1, "a"));
        Take(Starting(1, "a", "t", 1));
        Take(Barrier(2, "b"));
        Assert.Null(Take(Exited(1, "a", "t", 1)));
        Assert.NotNull(Take(Starting(2, "b", "t", 2)));
        Assert.Null(Take(Lines(1, "a", "t", 1, 1, 2)));
        Assert.NotNull(Take(Lines(2, "b", "t", 2, 1, 2)));
    }

    [Fact]
    public void Of_two_claims_with_the_same_epoch_the_later_barrier_wins()
    {
        Take(Barrier(5, "a"));
        Take(Barrier(5, "b"));
        Assert.Null(Take(Starting(5, "a", "t", 1)));
        Assert.NotNull(Take(Starting(5, "b", "t", 1)));
    }

    [Fact]
    public void A_barrier_of_a_lower_epoch_changes_nothing()
    {
        Take(Barrier(5, "a"));
        Assert.Null(Take(Barrier(4, "late")));
        Assert.Equal(new Claim(5, "a"), _log.InForce);
    }

    [Fact]
    public void An_attempt_that_a_barrier_keeps_is_heard_on()
    {
        Take(Barrier(1, "a"));
        Take(Starting(1, "a", "t", 1));
        Take(Barrier(2, "b") with { Keeps = [new KeptAttempt("t", 1)] });
        Assert.NotNull(Take(Lines(1, "a", "t", 1, 1, 1)));
        Assert.Null(Take(Starting(1, "a", "other", 1)));
    }

    [Fact]
    public void An_attempt_without_an_outcome_is_lost_once_a_later_one_starts()
    {
        Take(Barrier(1, "a"));
        Take(Starting(1, "a", "t", 1));
        Take(Lines(1, "a", "t", 1, 1, 7));
        Take(Barrier(2, "b"));
        var story = _log.Stories["t"];
        Assert.Equal((1, 2, 0), (story.Lost, story.NextAttempt, story.Charged));
        Take(Starting(2, "b", "t", 2));
        Assert.Equal((EndReason.WorkerLost, 7L), (story.Attempts[0].Reason, story.Attempts[0].Lines));
    }

    [Fact]
    public void An_attempt_that_was_given_back_is_neither_lost_nor_charged()
    {
        Take(Barrier(1, "a"));
        Take(Starting(1, "a", "t", 1));
        Take(Abandoned(1, "a", "t", 1));
        var story = _log.Stories["t"];
        Assert.Equal((0, 0, 2), (story.Lost, story.Charged, story.NextAttempt));
        Assert.Null(story.Outcome);
    }

    [Fact]
    public void An_outcome_is_the_end_of_its_attempt()
    {
        Take(Barrier(1, "a"));
        Take(Starting(1, "a", "t", 1));
        Take(Exited(1, "a", "t", 1));
        Assert.Null(Take(Lines(1, "a", "t", 1, 1, 1)));
        Assert.Null(Take(Exited(1, "a", "t", 1)));
        Assert.Equal(1, _log.Stories["t"].Charged);
        Assert.Equal(2, _log.Stories["t"].LogEnd);
    }

    [Fact]
    public void A_batch_that_repeats_lines_comes_back_without_them()
    {
        Take(Barrier(1, "a"));
        Take(Starting(1, "a", "t", 1));
        Take(Lines(1, "a", "t", 1, 1, 3));
        Assert.Null(Take(Lines(1, "a", "t", 1, 2, 3)));
        var rest = Assert.IsType<OutputLines>(Take(Lines(1, "a", "t", 1, 2, 5)));
        Assert.Equal([4L, 5L], rest.Lines.Select(line => line.Seq));
    }

    [Fact]
    public void A_later_owner_begins_where_the_earliest_unended_task_does()
    {
        Take(Barrier(1, "a"));
        Take(Starting(1, "a", "first", 1));
        Take(Barrier(2, "b"));
        Take(Starting(2, "b", "second", 1));
        Assert.Equal((1, new Claim(1, "a")), _log.Resume());
        _log.Forget("first");
        Assert.Equal((3, new Claim(2, "b")), _log.Resume());
        _log.Forget("second");
        Assert.Equal((4, new Claim(2, "b")), _log.Resume());
    }

    /// <summary>Owners, zombies and crashes at random: a reader of the whole log, and one that begins where an owner said, agree.</summary>
    [Fact]
    public void Readers_that_begin_at_different_places_agree()
    {
        for (var seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            var written = new List<ProgressRecord>();
            var owners = new List<Claim>();
            for (var step = 0; step < 60; step++)
            {
                if (owners.Count == 0 || random.Next(12) == 0)
                {
                    owners.Add(new Claim(owners.Count + 1, $"o{owners.Count}"));
                    written.Add(Barrier(owners[^1].Epoch, owners[^1].Owner));
                    continue;
                }
                var (epoch, owner) = owners[random.Next(3) == 0 ? random.Next(owners.Count) : owners.Count - 1];   // sometimes a zombie
                var (task, attempt) = ($"t{random.Next(3)}", random.Next(1, 4));
                var seq = random.Next(1, 10);
                written.Add(random.Next(4) switch
                {
                    0 => Starting(epoch, owner, task, attempt),
                    1 => Exited(epoch, owner, task, attempt),
                    2 => Abandoned(epoch, owner, task, attempt),
                    _ => Lines(epoch, owner, task, attempt, seq, seq + random.Next(3)),
                });
            }
            var whole = new LaneLog();
            for (var offset = 0; offset < written.Count; offset++)
                whole.Apply(written[offset], offset);
            var (from, inForce) = whole.Resume();
            var late = new LaneLog(inForce);
            for (var offset = from; offset < written.Count; offset++)
                late.Apply(written[(int)offset], offset);
            Assert.Equal(whole.InForce, late.InForce);
            foreach (var (task, story) in whole.Stories)
            {
                Assert.True(late.Stories.TryGetValue(task, out var other), $"seed {seed}: {task} is missing");
                Assert.Equal(story.Attempts, other.Attempts);
                Assert.Equal((story.Outcome, story.LogEnd), (other.Outcome, other.LogEnd));
            }
        }
    }

    private ProgressRecord? Take(ProgressRecord record) => _log.Apply(record, _offset++);

    private static LaneBarrier Barrier(long epoch, string owner) => new() { Epoch = epoch, Owner = owner, Lane = 0, Worker = "w" };

    private static AttemptStarting Starting(long epoch, string owner, string task, int attempt) =>
        new() { Epoch = epoch, Owner = owner, TaskId = task, Attempt = attempt, Worker = "w" };

    private static OutputLines Lines(long epoch, string owner, string task, int attempt, int from, int to) => new()
    {
        Epoch = epoch,
        Owner = owner,
        TaskId = task,
        Attempt = attempt,
        Lines = [.. Enumerable.Range(from, to - from + 1).Select(seq => new OutputLine(seq, OutputStream.Stdout, $"{seq}", default))],
    };

    private static AttemptExited Exited(long epoch, string owner, string task, int attempt) =>
        new() { Epoch = epoch, Owner = owner, TaskId = task, Attempt = attempt, Reason = EndReason.ExitCode, ExitCode = 0, Lines = 0, Hash = "" };

    private static AttemptAbandoned Abandoned(long epoch, string owner, string task, int attempt) =>
        new() { Epoch = epoch, Owner = owner, TaskId = task, Attempt = attempt, Reason = EndReason.WorkerShutdown };
}
