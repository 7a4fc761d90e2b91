using System.Runtime.InteropServices;
using Confluent.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>What becomes of tasks when lanes change hands: by the group's will, by a worker that gives way, by one that falls silent.</summary>
public sealed class OwnershipTests(TestBroker broker)
{
    private const int Timeout = 120_000;

    private const string Catalogue = """
        types:
          say:     { executable: sh, arguments: [-c, 'echo "$1"', sh], params: { text: { positional: true, required: true } } }
          patient: { executable: sh, arguments: [-c, 'echo started; while [ ! -e "$1" ]; do sleep 0.05; done; echo released', sh], params: { file: { positional: true, required: true } }, grace: 1s }
          held:    { executable: sleep, arguments: ['1000'], retry: { on_lost: hold } }
          endless: { executable: sh, arguments: [-c, 'while :; do echo tick; sleep 0.02; done'], grace: 1s }
          failing: { executable: sleep, arguments: ['1000'], retry: { on_lost: fail } }
          careful: { executable: sh, arguments: [-c, 'while :; do date +%s.%N >> "$1"; sleep 0.1; done', sh], params: { marks: { positional: true, required: true } }, overlap: never, grace: 1s }
        """;

    [Fact(Timeout = Timeout)]
    public async Task A_worker_with_a_long_task_gives_its_lanes_to_one_that_has_time_and_runs_on()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 4, Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var longTask = await pipeline.SubmitAsync("patient", new { file = gate }, lane: 0);
        await pipeline.LineAsync(longTask, "started");
        await pipeline.AddWorkerAsync();
        var waiting = new List<string>();
        for (var i = 0; i < 12; i++)
            waiting.Add(await pipeline.SubmitAsync("say", new { text = $"{i}" }, lane: i % 4));
        foreach (var id in waiting)
            Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(id)).Status);
        Assert.Empty(pipeline.States(longTask));
        await pipeline.RecordAsync<AttemptHandedOver>(longTask);

        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(longTask);
        Assert.Equal((Status.Succeeded, 1), (end.Status, end.Attempt));
        Assert.Equal(["started", "released"], (await pipeline.LinesAsync(longTask)).Select(line => line.Text));
        Assert.Single(pipeline.Progress(longTask).OfType<AttemptStarting>());
        Assert.Single(pipeline.States(longTask));

        // It comes back for more: with the other one gone, its lanes are this one's.
        pipeline.Workers[1].Signal(PosixSignal.SIGTERM);
        await pipeline.Workers[1].WaitForExitAsync(TestPipeline.MaxWait);
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(await pipeline.SubmitAsync("say", new { text = "again" }, lane: 0))).Status);
    }

    /// <summary>What is committed behind an open transaction is hidden from readers of committed records, as if it had not happened.</summary>
    [Fact(Timeout = Timeout)]
    public async Task A_transaction_that_hangs_does_not_let_a_lane_be_claimed_without_what_was_committed_behind_it()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 1, Catalogue);
        if (await pipeline.IsEmbeddedAsync())
            Assert.Skip("the embedded broker has no transactions");
        var gate = Path.Combine(pipeline.Folder, "gate");
        var first = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(first, "started");
        using var hanging = new ProducerBuilder<byte[]?, byte[]?>(new ProducerConfig
        {
            BootstrapServers = broker.BootstrapServers,
            TransactionalId = Guid.NewGuid().ToString("N"),
            TransactionTimeoutMs = 120_000,
        }).Build();
        hanging.InitTransactions(TestPipeline.MaxWait);
        hanging.BeginTransaction();
        await hanging.ProduceAsync(new TopicPartition(pipeline.Topics.State, 0), new Message<byte[]?, byte[]?> { Key = "nothing"u8.ToArray() }, TestContext.Current.CancellationToken);

        var second = await pipeline.SubmitAsync("say", new { text = "never" });
        await pipeline.StopAsync(second);
        await pipeline.RecordAsync<TaskEnded>(second);
        var waiting = await pipeline.SubmitAsync("say", new { text = "hello" });   // for which the first worker has no time
        var other = await pipeline.AddWorkerAsync();
        await other.WaitForLineAsync("could not be claimed yet", TestPipeline.MaxWait);
        hanging.AbortTransaction();

        var third = await pipeline.EndOfAsync(waiting);
        Assert.Equal("w2", Assert.Single(third.Attempts).Worker);
        Assert.Equal(Status.Stopped, Assert.Single(pipeline.States(second)).Status);
        Assert.Empty(pipeline.Progress(second).OfType<AttemptStarting>());
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        Assert.Equal(1, (await pipeline.EndOfAsync(first)).Attempt);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_attempt_that_was_handed_over_can_be_stopped()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 2, Catalogue);
        var id = await HandOverAsync(pipeline);
        await pipeline.StopAsync(id);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Stopped, EndReason.UserRequest, 1), (end.Status, end.Reason, end.Attempt));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_paused_attempt_is_handed_over_and_goes_on_where_it_is_when_it_is_resumed()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 2, Catalogue);
        var id = await HandOverAsync(pipeline, isPaused: true);
        await File.WriteAllTextAsync(Path.Combine(pipeline.Folder, "gate"), "", TestContext.Current.CancellationToken);
        await pipeline.EndOfAsync(await pipeline.SubmitAsync("say", new { text = "a moment has passed" }, lane: 0));
        Assert.Empty(pipeline.States(id));
        await pipeline.ResumeAsync(id);
        await pipeline.RecordAsync<AttemptResumed>(id);
        Assert.Equal((Status.Succeeded, 1), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
        Assert.Single(pipeline.Progress(id).OfType<AttemptStarting>());
    }

    [Fact(Timeout = Timeout)]
    public async Task An_attempt_that_was_handed_over_and_falls_silent_is_lost_and_runs_again()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 2, Catalogue);
        var id = await HandOverAsync(pipeline);
        pipeline.Workers[0].KillAlone();
        var second = await pipeline.RecordAsync<AttemptStarting>(id, record => record.Attempt == 2);
        Assert.Equal("w2", second.Worker);
        await File.WriteAllTextAsync(Path.Combine(pipeline.Folder, "gate"), "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal([EndReason.WorkerLost, EndReason.ExitCode], end.Attempts.Select(attempt => attempt.Reason!.Value));
        Assert.Single(pipeline.States(id));
    }

    /// <summary>The lane is back before the log of it was read on to the barrier that has made the attempt void.</summary>
    [Fact(Timeout = Timeout)]
    public async Task A_worker_that_gets_a_lane_back_ends_its_attempt_where_another_has_counted_it_as_lost()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 1, Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        pipeline.Workers[0].Pause();
        var other = await pipeline.AddWorkerAsync(new KeyValuePair<string, string?>("Worker:DrainTimeout", "00:00:00"));
        await pipeline.LineAsync(id, "started", attempt: 2);
        other.Signal(PosixSignal.SIGTERM);
        await other.WaitForExitAsync(TestPipeline.MaxWait);
        pipeline.Workers[0].Resume();

        await pipeline.LineAsync(id, "started", attempt: 3);   // by the worker that has run the first all the time
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal([EndReason.WorkerLost, EndReason.WorkerShutdown, EndReason.ExitCode], end.Attempts.Select(attempt => attempt.Reason!.Value));
        Assert.Equal(["w1", "w2", "w1"], end.Attempts.Select(attempt => attempt.Worker));
        Assert.Single(pipeline.States(id));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_worker_that_was_frozen_beyond_its_session_goes_on_where_nobody_has_taken_over()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 1, Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        pipeline.Workers[0].Pause();
        await Task.Delay(TimeSpan.FromSeconds(8), TestContext.Current.CancellationToken);   // the time itself is what is tested: a session of 6 s
        pipeline.Workers[0].Resume();
        await pipeline.Workers[0].WaitForLineAsync("has removed this worker", TestPipeline.MaxWait);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 1), (end.Status, end.Attempt));
        Assert.Single(pipeline.Progress(id).OfType<AttemptStarting>());
    }

    [Fact(Timeout = Timeout)]
    public async Task A_worker_that_was_frozen_while_another_took_over_ends_its_agent_and_is_not_heard()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 2, lanes: 2, Catalogue);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        var first = await pipeline.RecordAsync<AttemptStarting>(id);
        var agent = await pipeline.RecordAsync<AttemptRunning>(id);
        var frozen = pipeline.Workers[first.Worker == "w1" ? 0 : 1];
        frozen.Pause();
        await pipeline.LineAsync(id, "started", attempt: 2);
        frozen.Resume();
        await Eventually.TrueAsync("the first agent is ended", () => !Directory.Exists($"/proc/{agent.Pid}"), TimeSpan.FromSeconds(10));
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 2), (end.Status, end.Attempt));
        Assert.Single(pipeline.States(id));
    }

    /// <summary>What it prints meanwhile is acknowledged after the next owner's barrier, which must be read all the same.</summary>
    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_prints_while_its_worker_is_frozen_is_ended_when_another_attempt_runs()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 2, lanes: 2, Catalogue);
        var id = await pipeline.SubmitAsync("endless");
        var agent = await pipeline.RecordAsync<AttemptRunning>(id);
        var frozen = await pipeline.WorkerOfAsync(id);
        frozen.Pause();
        await pipeline.RecordAsync<AttemptRunning>(id, record => record.Attempt == 2);
        frozen.Resume();
        await Eventually.TrueAsync("the first agent is ended", () => !IsAlive(agent.Pid), TestPipeline.MaxWait);
        await pipeline.StopAsync(id);
        Assert.Equal((Status.Stopped, 2), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task Two_attempts_that_must_not_overlap_do_not_when_a_worker_is_frozen()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 2, lanes: 2, Catalogue);
        var marks = Path.Combine(pipeline.Folder, "marks");
        var id = await pipeline.SubmitAsync("careful", new { marks });
        var first = await pipeline.RecordAsync<AttemptRunning>(id);
        var frozen = pipeline.Workers[(await pipeline.RecordAsync<AttemptStarting>(id)).Worker == "w1" ? 0 : 1];
        await Eventually.TrueAsync("the agent works", () => File.Exists(marks), TestPipeline.MaxWait);
        frozen.Pause();
        await Eventually.TrueAsync("its agent is ended although its worker cannot", () => !IsAlive(first.Pid), TimeSpan.FromSeconds(10));
        var lastMark = File.GetLastWriteTimeUtc(marks);
        var second = await pipeline.RecordAsync<AttemptStarting>(id, record => record.Attempt == 2);
        Assert.True(second.At.UtcDateTime > lastMark, $"{second.At:O} is not behind {lastMark:O}");
        frozen.Resume();
        await pipeline.StopAsync(id);
        Assert.Equal(Status.Stopped, (await pipeline.EndOfAsync(id)).Status);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_follows_the_loss_of_a_worker_is_for_the_type_to_say()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 1, Catalogue);
        var held = await pipeline.SubmitAsync("held");
        var failing = await pipeline.SubmitAsync("failing");
        await pipeline.RecordAsync<AttemptRunning>(held);
        pipeline.Workers[0].KillAlone();
        var second = await pipeline.AddWorkerAsync();
        var state = await pipeline.WaitingAsync(held);
        Assert.Equal((Status.Held, EndReason.WorkerLost, (DateTimeOffset?)null), (state.Status, state.Reason, state.DueAt));
        await pipeline.RecordAsync<AttemptRunning>(failing);
        second.KillAlone();
        await pipeline.AddWorkerAsync();
        Assert.Equal((Status.Failed, EndReason.WorkerLost, 1), await pipeline.EndOfAsync(failing) is var end ? (end.Status, end.Reason, end.Attempt) : default);

        // A person releases it; and one who stops it instead gets that.
        await pipeline.PutBackAsync(held, 2);
        Assert.Equal(2, (await pipeline.RecordAsync<AttemptRunning>(held, record => record.Attempt == 2)).Attempt);
        await pipeline.StopAsync(held);
        Assert.Equal((Status.Stopped, 2), await pipeline.EndOfAsync(held) is var stopped ? (stopped.Status, stopped.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_far_longer_than_the_poll_interval_runs_once_while_workers_join_and_leave()
    {
        KeyValuePair<string, string?>[] settings = [new("Kafka:MaxPollInterval", "00:00:06")];
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 4, Catalogue, settings);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        var began = DateTimeOffset.UtcNow;
        while (DateTimeOffset.UtcNow - began < TimeSpan.FromSeconds(18))
        {
            var guests = new[] { await pipeline.AddWorkerAsync(settings), await pipeline.AddWorkerAsync(settings) };
            await guests[0].WaitForLineAsync("Took", TestPipeline.MaxWait);
            foreach (var guest in guests)
                guest.Signal(PosixSignal.SIGTERM);
            foreach (var guest in guests)
                await guest.WaitForExitAsync(TestPipeline.MaxWait);
        }
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 1), (end.Status, end.Attempt));
        Assert.Single(pipeline.Progress(id).OfType<AttemptStarting>());
        Assert.Single(pipeline.States(id));
    }

    /// <summary>The first worker runs a task whose lane has become the second one's.</summary>
    private static async Task<string> HandOverAsync(TestPipeline pipeline, bool isPaused = false)
    {
        var id = await pipeline.SubmitAsync("patient", new { file = Path.Combine(pipeline.Folder, "gate") }, lane: 0);
        await pipeline.LineAsync(id, "started");
        if (isPaused)
        {
            await pipeline.PauseAsync(id);
            await pipeline.RecordAsync<AttemptPaused>(id);
        }
        await pipeline.AddWorkerAsync();
        var next = await pipeline.SubmitAsync("say", new { text = "next" }, lane: 0);
        await pipeline.EndOfAsync(next);
        await pipeline.RecordAsync<AttemptHandedOver>(id);
        return id;
    }

    private static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..][0] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }
}
