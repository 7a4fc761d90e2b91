using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Lanes;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Settings;
using TaskPipeline.TaskApi.Watching;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>The parts of watching that need no server.</summary>
public sealed class LogTests
{
    [Theory]
    [InlineData("0.0.0")]
    [InlineData("1.1042.2")]
    [InlineData("3.9223372036854775807.3s")]
    [InlineData("2.7.4se")]
    [InlineData("0.0.1.57")]
    [InlineData("2.7.4.9223372036854775807se")]
    public void A_cursor_is_the_same_after_a_journey(string text)
    {
        Assert.True(Cursor.TryParse(text, out var cursor));
        Assert.Equal(text, cursor.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1.2")]
    [InlineData("1.2.9")]
    [InlineData("1.2.3.")]
    [InlineData("1.2.3.x")]
    [InlineData("1.2.3.4.5")]
    [InlineData("-1.2.2")]
    [InlineData("1.+2.2")]
    [InlineData("1. 2.2")]
    [InlineData("1.2.2es")]
    [InlineData("99999999999.2.2")]
    [InlineData("１.2.2")]
    public void What_is_no_cursor_is_refused(string text) => Assert.False(Cursor.TryParse(text, out _));

    [Fact]
    public void States_that_were_read_before_their_submission_say_the_project_all_the_same()
    {
        var lane = new LaneLog();
        var starting = new AttemptStarting { Epoch = 1, Owner = "o", TaskId = "t-1", Attempt = 1, Worker = "w-1" };
        lane.Apply(starting, 0);
        var early = new TrackedTask("t-1", Memory());
        var late = new TrackedTask("t-1", Memory());
        var submission = new TaskSubmission { TaskId = "t-1", Type = "echo", Project = "shop" };
        early.Submit(submission, new TaskPlace(0, 0), default);
        early.Apply(starting, lane.Stories["t-1"], 0, 0);
        late.Apply(starting, lane.Stories["t-1"], 0, 0);
        late.Submit(submission, new TaskPlace(0, 0), default);
        Assert.Equal(2, late.Log.Count);
        Assert.Contains("\"project\":\"shop\"", Encoding.UTF8.GetString(((WatchEvent)late.Log[1]).Json.Span), StringComparison.Ordinal);
        for (var i = 0; i < 2; i++)
            Assert.Equal(Encoding.UTF8.GetString(((WatchEvent)early.Log[i]).Json.Span), Encoding.UTF8.GetString(((WatchEvent)late.Log[i]).Json.Span));
    }

    [Fact]
    public async Task A_watcher_that_comes_at_any_place_of_a_log_sees_exactly_the_rest()
    {
        var random = new Random(7);
        for (var round = 0; round < 50; round++)
        {
            var log = RandomLog(random);
            var all = LinesOf(await ReadAsync(log, Cursor.Start));
            foreach (var told in await ReadAsync(log, Cursor.Start))
                Assert.Equal(all.Where(line => IsBehind(line, told.Cursor)), LinesOf(await ReadAsync(log, told.Cursor)));
            foreach (var (attempt, seq) in all)
                Assert.Equal(all.Where(line => IsBehind(line, new Cursor(attempt, seq, Stage.Running))), LinesOf(await ReadAsync(log, new Cursor(attempt, seq, Stage.Running))));
            for (var tail = 0; tail < all.Count; tail++)
                Assert.Equal(all.TakeLast(tail), LinesOf(await ReadAsync(log, Cursor.Start, tail)));
        }
    }

    [Fact]
    public async Task Emitted_events_are_told_once_to_whoever_comes_at_any_place_of_a_log()
    {
        var random = new Random(11);
        for (var round = 0; round < 50; round++)
        {
            var log = RandomLog(random);
            var all = await ReadAsync(log, Cursor.Start);
            for (var place = 0; place < all.Count; place++)
                Assert.Equal(EmittedOf(all.Skip(place + 1)), EmittedOf(await ReadAsync(log, all[place].Cursor)));
        }
    }

    [Fact]
    public async Task A_request_to_stop_is_told_once_to_whoever_comes_from_a_replica_that_had_not_seen_it()
    {
        var random = new Random(17);
        for (var round = 0; round < 200; round++)
        {
            var log = RandomLog(random);
            foreach (var place in await ReadAsync(log, Cursor.Start))
            {
                var told = await ReadAsync(log, place.Cursor with { StopSeen = false });
                Assert.Equal(log.StopIndex < 0 ? 0 : 1, told.Count(IsStopping));
                for (var seen = 0; seen < told.Count; seen++)
                {
                    var rest = await ReadAsync(log, told[seen].Cursor);
                    Assert.Equal(LinesOf(told.Skip(seen + 1)), LinesOf(rest));
                    Assert.Equal(told.Skip(seen + 1).Count(IsStopping), rest.Count(IsStopping));
                }
            }
        }

        static bool IsStopping(WatchEvent told) => Encoding.UTF8.GetString(told.Json.Span).Contains("\"status\":\"stopping\"", StringComparison.Ordinal) && told is StateEvent;
    }

    [Fact]
    public async Task A_watcher_is_told_once_that_it_has_the_history_and_where()
    {
        var random = new Random(13);
        for (var round = 0; round < 50; round++)
        {
            var log = RandomLog(random);
            var before = LinesOf(await ReadAsync(log, Cursor.Start)).Count;
            var watcher = WatcherOf(log, Cursor.Start);
            Continue(log, random);
            var all = await ReadAsync(watcher);
            var place = all.FindIndex(told => told is CaughtUpEvent);
            Assert.Equal(before, LinesOf(all.Take(place)).Count);
            Assert.Single(all.OfType<CaughtUpEvent>());
        }
    }

    [Fact]
    public void The_state_feed_says_how_many_events_a_late_reader_has_missed()
    {
        var feed = new StateFeed();
        for (var number = 0; number < 10_000; number++)
            feed.Add(new StateEvent($"task-{number}", Cursor.Start, new StateChange(Status.Queued), static () => "default"), "default");

        Assert.Equal((null, null, 10_000 - 8192), feed.At(0));
        Assert.Equal("task-9999", feed.At(9_999).Event!.TaskId);
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("\u001b[1;32mbold\u001b[0m green", "bold green")]
    [InlineData("10 %\r50 %\r100 %", "100 %")]
    [InlineData("done\r", "done")]
    [InlineData("\u001b]8;;http://x\u0007link\u001b]8;;\u0007", "link")]
    [InlineData("tab\tstays, bell\u0007 goes", "tab\tstays, bell goes")]
    [InlineData("\u001b", "")]
    public void Plain_text_is_what_would_be_left_on_paper(string line, string expected) => Assert.Equal(expected, PlainText.Of(line));

    private static TaskLog RandomLog(Random random)
    {
        var log = new TaskLog("task", Memory());
        for (var attempt = 1; attempt <= random.Next(1, 4); attempt++)
        {
            log.StateChanged(attempt, Stage.Begun, new StateChange(Status.Starting));
            log.StateChanged(attempt, Stage.Running, new StateChange(Status.Running));
            Print(log, random, attempt, seq: 0);
        }
        return log;
    }

    private static void Continue(TaskLog log, Random random) => Print(log, random, log.Latest.Attempt, log.Latest.Seq);

    private static void Print(TaskLog log, Random random, int attempt, long seq)
    {
        var offset = Math.Max(attempt * 100L, log.Latest.Events);
        for (var batch = random.Next(0, 6); batch > 0; batch--)
        {
            OutputLine[] lines = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => new OutputLine(++seq, OutputStream.Stdout, $"{attempt}/{seq}", default))];
            log.Add(new OutputLines { TaskId = "task", Attempt = attempt, Epoch = 1, Owner = "o", Lines = [.. lines] }, 0, ++offset);
            if (random.Next(3) == 0)
                log.Add(new TaskEmitted { TaskId = "task", EventId = $"e{offset}", Name = "step" }, 0, ++offset);
            if (log.StopIndex < 0 && random.Next(6) == 0)
                log.StopRequested(new StateChange(Status.Stopping));
        }
    }

    private static LogMemory Memory() => new(Options.Create(new ApiOptions()));

    private static List<(int Attempt, long Seq)> LinesOf(IEnumerable<WatchEvent> told) =>
        [.. told.OfType<LinesEvent>().SelectMany(lines => lines.Lines, (lines, line) => (lines.Cursor.Attempt, line.Seq))];

    private static IEnumerable<string> EmittedOf(IEnumerable<WatchEvent> told) =>
        told.Select(found => Encoding.UTF8.GetString(found.Json.Span)).Where(json => json.Contains("\"type\":\"event\"", StringComparison.Ordinal));

    private static Watcher WatcherOf(TaskLog log, Cursor from, int? tail = null)
    {
        var reader = new LogReader(null!, Memory(), null!, NullLogger<LogReader>.Instance);   // all is in memory
        return new Watcher(log, reader, Status.Running, new WatchPlan(from, FromNow: false, Since: null, tail, default, AsText: false));
    }

    private static Task<List<WatchEvent>> ReadAsync(TaskLog log, Cursor from, int? tail = null) => ReadAsync(WatcherOf(log, from, tail));

    private static async Task<List<WatchEvent>> ReadAsync(Watcher watcher)
    {
        List<WatchEvent> told = [];
        while (await watcher.NextAsync(TestContext.Current.CancellationToken) is { } next)
            told.Add(next);
        return told;
    }

    private static bool IsBehind((int Attempt, long Seq) line, Cursor place) => line.Attempt > place.Attempt || (line.Attempt == place.Attempt && line.Seq > place.Seq);
}
