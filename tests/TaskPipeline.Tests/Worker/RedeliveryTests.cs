using System.Diagnostics;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class RedeliveryTests(TestBroker broker)
{
    private const int Timeout = 90_000;

    [Fact(Timeout = Timeout)]
    public async Task The_task_of_a_killed_worker_runs_on_another_and_nothing_of_the_first_run_survives()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 2);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        var first = await pipeline.RecordAsync<AttemptStarting>(id);
        var agent = await pipeline.RecordAsync<AttemptRunning>(id);
        (await pipeline.WorkerOfAsync(id)).KillAlone();

        await Eventually.TrueAsync("the agent has ended with its worker", () => !Directory.Exists($"/proc/{agent.Pid}"), TimeSpan.FromSeconds(5));
        var second = await pipeline.RecordAsync<AttemptStarting>(id, record => record.Attempt == 2);
        Assert.NotEqual(first.Worker, second.Worker);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 2), (end.Status, end.Attempt));
        Assert.Equal([EndReason.WorkerLost, EndReason.ExitCode], end.Attempts.Select(attempt => attempt.Reason!.Value));
        Assert.Equal(["started", "released"], (await pipeline.LinesAsync(id, attempt: 2)).Select(line => line.Text));
        Assert.Single(pipeline.States(id));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_that_kills_its_workers_is_dead_lettered()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 1);
        var pidFile = Path.Combine(pipeline.Folder, "pid");
        await File.WriteAllTextAsync(pidFile, pipeline.Workers[0].Id.ToString(), TestContext.Current.CancellationToken);
        var id = await pipeline.SubmitAsync("deadly", new { pid_file = pidFile });
        await pipeline.Workers[0].WaitForExitAsync(TestPipeline.MaxWait);

        // The second worker must not get at the task before its pid is in the file: the first one's session has seconds to run.
        var second = await pipeline.AddWorkerAsync();
        await File.WriteAllTextAsync(pidFile, second.Id.ToString(), TestContext.Current.CancellationToken);
        await second.WaitForExitAsync(TestPipeline.MaxWait);

        await pipeline.AddWorkerAsync();
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Failed, EndReason.WorkerLost, true, 2), (end.Status, end.Reason, end.DeadLettered, end.Attempts.Count));
    }

    [Fact(Timeout = Timeout)]
    public async Task An_agent_that_somebody_else_has_killed_is_tried_again()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1);
        var gate = Path.Combine(pipeline.Folder, "gate");
        var id = await pipeline.SubmitAsync("patient", new { file = gate });
        await pipeline.LineAsync(id, "started");
        using (var agent = Process.GetProcessById((await pipeline.RecordAsync<AttemptRunning>(id)).Pid))
            agent.Kill();
        await pipeline.LineAsync(id, "started", attempt: 2);
        await File.WriteAllTextAsync(gate, "", TestContext.Current.CancellationToken);
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 2), (end.Status, end.Attempt));
        Assert.Equal([EndReason.WorkerLost, EndReason.ExitCode], end.Attempts.Select(attempt => attempt.Reason!.Value));
        Assert.Equal("another process killed its agent (SIGKILL)", end.Attempts[0].Error);
        await pipeline.Workers[0].WaitForLineAsync($"Attempt 1 of task {id} is lost: another process killed its agent (SIGKILL)");
    }

    [Fact(Timeout = Timeout)]
    public async Task One_that_is_killed_again_and_again_is_dead_lettered_and_a_rule_for_the_signal_decides_itself()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, catalogue: """
            types:
              doomed: { executable: sh, arguments: [-c, 'kill -9 $$'], retry: { lost: 2 } }
              once:   { executable: sh, arguments: [-c, 'kill -9 $$'], retry: { attempts: 3, rules: [{ signals: [SIGKILL], then: end, class: permanent }] } }
              coded:  { executable: sh, arguments: [-c, 'sh -c "kill -9 \$\$"; exit $?'], retry: { attempts: 3, final_exit_codes: [137] } }
            """, lanes: 1);
        var doomed = await pipeline.EndOfAsync(await pipeline.SubmitAsync("doomed"));
        Assert.Equal((Status.Failed, EndReason.WorkerLost, true, 2), (doomed.Status, doomed.Reason, doomed.DeadLettered, doomed.Attempts.Count));
        Assert.Equal("2 attempts were lost, which is the limit; the last one because another process killed its agent (SIGKILL)", doomed.Error);
        foreach (var type in (string[])["once", "coded"])
        {
            var end = await pipeline.EndOfAsync(await pipeline.SubmitAsync(type));
            Assert.Equal((Status.Failed, EndReason.ExitCode, 137, 1), (end.Status, end.Reason, end.ExitCode, end.Attempts.Count));
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task No_agent_is_killed_by_a_worker_that_starts_in_another_namespace()
    {
        await using (var probe = ChildProcess.StartFile("unshare", "unshare", ["--pid", "--fork", "--mount-proc", "true"]))
            Assert.SkipWhen(await probe.WaitForExitAsync() != 0, "this user may not make namespaces");
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 1, lanes: 4, catalogue: """
            types:
              brief: { executable: sleep, arguments: ['0.1'] }
            """);
        await pipeline.AddWorkerAsync(isApart: true);
        var ids = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => pipeline.SubmitAsync("brief", lane: i % 4)));
        await pipeline.AddWorkerAsync(isApart: true);
        await pipeline.AddWorkerAsync();
        foreach (var id in ids)
        {
            var end = await pipeline.EndOfAsync(id);
            Assert.Equal(Status.Succeeded, end.Status);
            Assert.All(end.Attempts, attempt => Assert.Null(attempt.Error));   // on a busy machine one may be lost as workers join, but none is killed
        }
        Assert.All(pipeline.Workers, worker => Assert.DoesNotContain("another process killed", worker.Output, StringComparison.Ordinal));
        Assert.All(pipeline.Workers.Take(2), worker => Assert.Contains("has ended", worker.Output, StringComparison.Ordinal));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_task_submitted_twice_ends_once()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1);
        var id = await pipeline.SubmitAsync("say", new { text = "once" });
        await pipeline.SubmitAsync("say", new { text = "twice" }, id);
        var after = await pipeline.SubmitAsync("say", new { text = "after" });
        await pipeline.EndOfAsync(after);
        Assert.Single(pipeline.States(id));
        Assert.Equal("once", Assert.Single(await pipeline.LinesAsync(id)).Text);
    }

    [Fact(Timeout = Timeout)]
    public async Task Many_tasks_on_several_workers_all_end_once()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, workers: 3, lanes: 6);
        var ids = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => pipeline.SubmitAsync("count", new { lines = 5 }, lane: i % 6)));
        foreach (var id in ids)
            Assert.Equal((Status.Succeeded, 5), await pipeline.EndOfAsync(id) is var end ? (end.Status, end.Attempts[^1].Lines) : default);
        Assert.All(ids, id => Assert.Single(pipeline.States(id)));
        Assert.True(pipeline.Workers.Count(worker => worker.Output.Contains("has ended", StringComparison.Ordinal)) > 1, "the tasks were shared out");
    }
}
