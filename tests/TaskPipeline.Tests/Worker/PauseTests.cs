using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class PauseTests(SharedPipeline shared, TestBroker broker) : IClassFixture<SharedPipeline>
{
    private const int Timeout = 90_000;
    private readonly TestPipeline _pipeline = shared.Pipeline;

    [Fact(Timeout = Timeout)]
    public async Task A_paused_agent_stands_still_until_it_is_resumed()
    {
        var gate = Path.Combine(_pipeline.Folder, "pause.gate");
        var id = await _pipeline.SubmitAsync("patient", new { file = gate });
        await _pipeline.LineAsync(id, "started");
        await _pipeline.PauseAsync(id);
        Assert.Equal("Paused", (await _pipeline.RecordAsync<AttemptPaused>(id)).Update);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var queued = await _pipeline.SubmitAsync("say", new { text = "never" });
        await _pipeline.StopAsync(queued);
        await _pipeline.EndOfAsync(queued);   // a moment has passed, and the worker is not hindered by the pause
        Assert.Empty(_pipeline.States(id));
        await _pipeline.ResumeAsync(id);
        await _pipeline.RecordAsync<AttemptResumed>(id);
        Assert.Equal((Status.Succeeded, 1), await _pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_paused_task_can_be_stopped()
    {
        var id = await _pipeline.SubmitAsync("silent");
        await _pipeline.RecordAsync<AttemptRunning>(id);
        await _pipeline.PauseAsync(id);
        await _pipeline.RecordAsync<AttemptPaused>(id);
        await _pipeline.StopAsync(id);
        var end = await _pipeline.EndOfAsync(id);
        Assert.Equal((Status.Stopped, "SIGTERM", "TERM", 1), (end.Status, end.Signal, end.Attempts[0].EndedBy, end.Attempts[0].ProcessesEnded));
        Assert.NotNull(end.Attempts[0].StopMs);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_whose_worker_dies_while_it_is_paused_waits_until_it_is_resumed()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        var agent = await pipeline.RecordAsync<AttemptRunning>(id);
        await pipeline.PauseAsync(id);
        await pipeline.RecordAsync<AttemptPaused>(id);
        pipeline.Workers[0].KillAlone();
        await Eventually.TrueAsync("the agent has ended with its worker", () => !Directory.Exists($"/proc/{agent.Pid}"), TimeSpan.FromSeconds(10));

        await pipeline.AddWorkerAsync();
        var after = await pipeline.SubmitAsync("say", new { text = "goes first" });
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(after)).Status);
        Assert.DoesNotContain(pipeline.Progress(id), record => record is AttemptStarting { Attempt: 2 });
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        await pipeline.ResumeAsync(id);
        Assert.Equal((Status.Succeeded, 2), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempt) : default);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_limit_of_silence_does_not_run_while_the_task_is_paused_and_ends_it_afterwards()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, catalogue: """
            types:
              quiet: { executable: sleep, arguments: ['1000'], silence_limit: 3s, grace: 1s }
              brief: { executable: sleep, arguments: ['4'] }
            """, workers: 2, lanes: 2);
        var id = await pipeline.SubmitAsync("quiet", lane: 0);
        await pipeline.RecordAsync<AttemptRunning>(id);
        await pipeline.PauseAsync(id);
        await pipeline.RecordAsync<AttemptPaused>(id);
        await pipeline.EndOfAsync(await pipeline.SubmitAsync("brief", lane: 1));   // longer than the limit
        Assert.Empty(pipeline.States(id));
        await pipeline.ResumeAsync(id);
        Assert.Equal((Status.TimedOut, EndReason.SilenceLimit), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Reason) : default);
    }
}
