using Confluent.Kafka;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Lanes;
using Xunit;

namespace TaskPipeline.Tests.Lanes;

public sealed class TaskChoiceTests
{
    private static readonly TimeSpan Session = TimeSpan.FromSeconds(10);
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 9, 30, 0, TimeSpan.Zero);

    private readonly TaskChoice _choice = new(Session);
    private readonly LaneLog _log = new();
    private readonly OwnedLane _lane;
    private readonly HashSet<string> _paused = [];
    private long _offset;

    public TaskChoiceTests() => _lane = new OwnedLane(0, new Claim(2, "us"), _log, [], 0, Now - TimeSpan.FromSeconds(1));

    [Fact]
    public void The_highest_priority_goes_first_and_of_it_the_oldest_but_each_fourth_is_the_oldest_of_all()
    {
        Add("low", Priority.Low);
        for (var i = 1; i <= 4; i++)
            Add($"normal {i}");
        Add("high 2", Priority.High);
        Assert.Equal(["high 2", "normal 1", "normal 2", "low", "normal 3", "normal 4"], Enumerable.Range(0, 6).Select(_ => RunNext()));
        Assert.Null(RunNext());
    }

    [Fact]
    public void One_that_runs_is_paused_waits_or_may_be_another_lanes_is_passed_over()
    {
        Add("runs").IsRunning = true;
        Add("waits").NotBefore = Now + TimeSpan.FromSeconds(1);
        Add("is not placed").Unplaced = new ConsumeResult<byte[]?, byte[]?>();
        Add("is paused");
        _paused.Add("is paused");
        Assert.Null(RunNext());
        Add("is free");
        Assert.Equal("is free", RunNext());
    }

    [Fact]
    public void A_key_is_free_when_no_attempt_with_it_goes_on_elsewhere()
    {
        Add("held elsewhere", concurrency: new Concurrency("db", Limit: 2, Slot: 0)).IsRunning = true;
        _lane.Kept[new KeptAttempt("held elsewhere", 1)] = 0;
        Add("same slot", concurrency: new Concurrency("db", Limit: 2, Slot: 0));
        Assert.Null(RunNext());
        Add("other slot", concurrency: new Concurrency("db", Limit: 2, Slot: 1));
        Assert.Equal("other slot", RunNext());
        _lane.Kept[new KeptAttempt("not read yet", 1)] = 0;
        Add("other key", concurrency: new Concurrency("mail"));
        Assert.Null(RunNext());
        Add("no key");
        Assert.Equal("no key", RunNext());
    }

    [Fact]
    public void After_a_loss_a_session_must_pass_before_a_key_is_free()
    {
        _log.Apply(new AttemptStarting { Epoch = 1, Owner = "them", TaskId = "lost", Attempt = 1, Worker = "w", At = Now - Session }, 0);
        _log.Apply(new LaneBarrier { Lane = 0, Epoch = 2, Owner = "us", Worker = "w", At = Now - TimeSpan.FromSeconds(1) }, 1);
        Add("keyed", concurrency: new Concurrency("db"));
        Assert.Null(RunNext());
        Assert.Equal("keyed", _choice.Next([_lane], _paused.Contains, Now + Session)?.TaskId);
    }

    /// <summary>Each is a second younger than the one before.</summary>
    private QueuedTask Add(string id, Priority priority = Priority.Normal, Concurrency? concurrency = null)
    {
        var at = Now - TimeSpan.FromHours(1) + TimeSpan.FromSeconds(_offset);
        var submission = new TaskSubmission { TaskId = id, Type = "t", Priority = priority, SubmittedAt = at, Concurrency = concurrency };
        var task = new QueuedTask(_lane, _offset++, submission, type: null);
        _lane.Add(task);
        return task;
    }

    private string? RunNext()
    {
        if (_choice.Next([_lane], _paused.Contains, Now) is not { } next)
            return null;
        next.IsRunning = true;
        return next.TaskId;
    }
}
