using System.Runtime.InteropServices;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class StopTests(SharedPipeline shared, TestBroker broker) : IClassFixture<SharedPipeline>
{
    private const int Timeout = 60_000;
    private readonly TestPipeline _pipeline = shared.Pipeline;

    [Fact(Timeout = Timeout)]
    public async Task A_silent_agent_is_stopped()
    {
        var id = await _pipeline.SubmitAsync("silent");
        var running = await _pipeline.RecordAsync<AttemptRunning>(id);
        await _pipeline.StopAsync(id);
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Stopped, EndReason.UserRequest, "SIGTERM"), (end.Status, end.Reason, end.Signal));
        Assert.Equal("w1", (await _pipeline.RecordAsync<TaskStopping>(id)).Worker);
        Assert.Equal("STOPPED", (await _pipeline.RecordAsync<TaskEnded>(id)).Update);
        Assert.False(Directory.Exists($"/proc/{running.Pid}"));
        Assert.Equal(("TERM", 1), (end.Attempts[0].EndedBy, end.Attempts[0].ProcessesEnded));
        Assert.InRange(end.Attempts[0].StopMs!.Value, 0, 2000);
    }

    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_ignores_SIGTERM_is_killed_after_its_grace()
    {
        var id = await _pipeline.SubmitAsync("stubborn");
        await _pipeline.LineAsync(id, "started");
        await _pipeline.StopAsync(id);
        Assert.Equal((Status.Stopped, "SIGKILL", "KILL"), await _pipeline.EndOfAsync(id) is var end ? (end.Status, end.Signal, end.Attempts[0].EndedBy) : default);
        Assert.InRange((await _pipeline.RecordAsync<AttemptExited>(id)).StopMs!.Value, 300, 30_000);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_between_two_attempts_is_stopped_when_it_is_put_back()
    {
        var id = await _pipeline.SubmitAsync("retried", new { script = "exit 1" }, lane: 0);
        await _pipeline.WaitingAsync(id);
        await _pipeline.StopAsync(id);
        await _pipeline.PutBackAsync(id, 2);
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Stopped, EndReason.UserRequest), (end.Status, end.Reason));
        Assert.DoesNotContain(_pipeline.Progress(id), record => record is AttemptRunning { Attempt: 2 });   // a worker that reads the STOP late has announced the attempt
    }

    [Fact(Timeout = Timeout)]
    public async Task A_stop_during_the_drain_ends_the_task_and_it_is_not_given_back()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, settings: [new("Worker:DrainTimeout", "00:01:00")]);
        var id = await pipeline.SubmitAsync("silent");
        await pipeline.RecordAsync<AttemptRunning>(id);
        pipeline.Workers[0].Signal(PosixSignal.SIGTERM);
        await pipeline.Workers[0].WaitForLineAsync("continues for up to");
        for (var round = 1; round <= 3; round++)   // for as long as it takes
        {
            await pipeline.PauseAsync(id);
            await pipeline.UntilAsync("it is paused", () => pipeline.Progress(id).OfType<AttemptPaused>().Count() == round);
            await pipeline.ResumeAsync(id);
            await pipeline.UntilAsync("it goes on", () => pipeline.Progress(id).OfType<AttemptResumed>().Count() == round);
        }
        await pipeline.StopAsync(id);
        Assert.Equal((Status.Stopped, 1), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempts.Count) : default);
        Assert.Equal(0, await pipeline.Workers[0].WaitForExitAsync());
    }

    [Fact(Timeout = Timeout)]
    public async Task A_queued_task_that_is_stopped_never_starts()
    {
        var gate = Path.Combine(_pipeline.Folder, "queued.gate");
        var first = await _pipeline.SubmitAsync("patient", new { file = gate }, lane: 0);
        await _pipeline.LineAsync(first, "started");
        var queued = await _pipeline.SubmitAsync("say", new { text = "never" }, lane: 0);
        await _pipeline.StopAsync(queued);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await _pipeline.EndOfAsync(queued);
        Assert.Equal((Status.Stopped, EndReason.UserRequest), (end.Status, end.Reason));
        Assert.DoesNotContain(_pipeline.Progress(queued), record => record is AttemptRunning);
        Assert.Equal(Status.Succeeded, (await _pipeline.EndOfAsync(first)).Status);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_stop_that_came_before_its_task_counts()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 0);
        var id = TaskIds.New();
        await pipeline.StopAsync(id);
        await pipeline.SubmitAsync("say", new { text = "never" }, id);
        await pipeline.AddWorkerAsync();
        Assert.Equal((Status.Stopped, 0), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_that_waits_for_its_config_can_be_stopped()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker);
        pipeline.Config.Failing["default"] = System.Net.HttpStatusCode.ServiceUnavailable;
        var id = await pipeline.SubmitAsync("say", new { text = "never" });
        await pipeline.Workers[0].WaitForLineAsync("does not answer for project");
        await pipeline.StopAsync(id);
        Assert.Equal((Status.Stopped, 0), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task Stopping_twice_or_after_the_end_changes_nothing()
    {
        var id = await _pipeline.SubmitAsync("silent");
        await _pipeline.RecordAsync<AttemptRunning>(id);
        await _pipeline.StopAsync(id);
        await _pipeline.StopAsync(id);
        await _pipeline.EndOfAsync(id);
        await _pipeline.StopAsync(id);
        var after = await _pipeline.SubmitAsync("say", new { text = "goes on" });
        Assert.Equal(Status.Succeeded, (await _pipeline.EndOfAsync(after)).Status);
        Assert.Single(_pipeline.States(id));
        Assert.Single(_pipeline.Progress(id).OfType<TaskStopping>());
    }

    [Fact(Timeout = Timeout)]
    public async Task A_stop_between_the_agents_own_end_and_that_of_its_task_is_named_there()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, settings: [new("Worker:CrashAt", "exited")]);
        var id = await pipeline.SubmitAsync("say", new { text = "done" });
        await pipeline.RecordAsync<AttemptExited>(id);
        await pipeline.Workers[0].WaitForExitAsync();
        await pipeline.StopAsync(id);
        await pipeline.AddWorkerAsync();

        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, EndReason.ExitCode, ControlRecord.Stop), (end.Status, end.Reason, end.Stop?.Signal));
        using var control = new Api.TopicReader(pipeline.Cluster, pipeline.Topics.Control);
        control.ToTombstoneOf(ControlRecord.StopKey(id));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_stop_that_its_task_does_not_name_is_kept_as_long_as_the_tasks_end()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, settings: [new("Worker:Keep", "00:00:10"), new("Kafka:TaskRetention", "00:00:10")]);
        var late = await pipeline.SubmitAsync("say", new { text = "done" });
        Assert.Null((await pipeline.EndOfAsync(late)).Stop);
        await pipeline.StopAsync(late);
        var stopped = await pipeline.SubmitAsync("silent");
        await pipeline.RecordAsync<AttemptRunning>(stopped);
        await pipeline.StopAsync(stopped);
        Assert.Equal(Status.Stopped, (await pipeline.EndOfAsync(stopped)).Status);
        Assert.NotNull((await pipeline.EndOfAsync(stopped)).Stop);

        await pipeline.UntilAsync("its state is forgotten", () => pipeline.IsForgotten(late));
        using var control = new Api.TopicReader(pipeline.Cluster, pipeline.Topics.Control);
        List<string> forgotten = [];
        while (forgotten.Count < 2)
            forgotten.Add(System.Text.Encoding.UTF8.GetString(control.Next(record => record.Message.Value is null).Message.Key!));
        Assert.Equal([ControlRecord.StopKey(stopped), ControlRecord.StopKey(late)], forgotten);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_worker_that_is_told_to_end_gives_its_task_back_and_another_runs_it_at_no_charge()
    {
        // With a session of minutes the task can only move in time because the group was left. (In the embedded broker rebalances last a session.)
        var session = broker.IsEmbedded ? broker.SessionTimeout : TimeSpan.FromMinutes(5);
        await using var pipeline = await TestPipeline.StartAsync(broker, settings: [new("Worker:DrainTimeout", "00:00:00"), new("Kafka:SessionTimeout", session.ToString())]);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        pipeline.Workers[0].Signal(PosixSignal.SIGTERM);
        Assert.Equal(0, await pipeline.Workers[0].WaitForExitAsync());
        Assert.Equal(EndReason.WorkerShutdown, (await pipeline.RecordAsync<AttemptAbandoned>(id)).Reason);

        await pipeline.AddWorkerAsync();
        await pipeline.LineAsync(id, "started", attempt: 2);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 2), (end.Status, end.Attempt));
        Assert.Equal([EndReason.WorkerShutdown, EndReason.ExitCode], end.Attempts.Select(attempt => attempt.Reason!.Value));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_worker_that_is_told_to_end_lets_a_short_task_finish()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, settings: [new("Worker:DrainTimeout", "00:00:30")]);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        pipeline.Workers[0].Signal(PosixSignal.SIGTERM);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        Assert.Equal((Status.Succeeded, 1), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
        Assert.Equal(0, await pipeline.Workers[0].WaitForExitAsync());
    }
}
