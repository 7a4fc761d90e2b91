using System.Globalization;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Processes;
using TaskPipeline.TaskWorker.Settings;

namespace TaskPipeline.Bench.Driving;

/// <summary>
/// A worker without Kafka, as a process that can be killed. It has the reapers of a worker and runs one agent after the other. Run as
/// <c>Bench storm-worker CGROUPS</c>; lines of its input are <c>run ID MILLISECONDS</c>, with the agent's time limit, <c>stop</c> and <c>reapers</c>.
/// </summary>
internal static class StormWorker
{
    public const string Name = "storm-worker";

    /// <summary>Environment variable that every process of an agent inherits. The bench searches for it, not for the worker's own marker.</summary>
    public const string Variable = "STORM_RUN";

    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(300);

    // Ignores SIGTERM; has a daemon in its own session, a chain of forks, each in its own session, and a grandchild that holds its output open.
    private const string Nasty = """
        trap '' TERM
        setsid sh -c 'trap "" TERM HUP; while :; do sleep 0.05; done' &
        export CHAIN='[ $1 = 0 ] || setsid sh -c "$CHAIN" chain $(($1 - 1)) & exec sleep 1000'
        sh -c "$CHAIN" chain 5 </dev/null >/dev/null 2>&1 &
        (sleep 1000 &)
        while :; do echo still here; sleep 0.02; done
        """;

    public static async Task<int> RunAsync(string cgroups)
    {
        var groups = new Cgroups(Options.Create(new WorkerOptions { Cgroups = bool.Parse(cgroups) }), NullLogger<Cgroups>.Instance);
        using var reaper = new AgentReaper(groups, new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), NullLogger<AgentReaper>.Instance);
        await reaper.StartAsync(CancellationToken.None);
        Say("ready");
        AgentRun? run = null;
        var running = Task.CompletedTask;
        while (await Console.In.ReadLineAsync() is { } line)
            switch (line.Split(' '))
            {
                case ["run", var id, var limit]:
                    await running;
                    var cgroup = groups.New();
                    run = Prepare(id, TimeSpan.FromMilliseconds(int.Parse(limit, CultureInfo.InvariantCulture)), Launcher.Start(cgroup));
                    running = RunAsync(run, id, cgroup);
                    break;
                case ["stop"]:
                    run?.End(EndReason.UserRequest, force: false);
                    break;
                case ["reapers"]:
                    Say($"reapers {string.Join(' ', reaper.Pids)}");
                    break;
            }
        run?.End(EndReason.WorkerShutdown, force: true);
        await running;
        await reaper.StopAsync(CancellationToken.None);
        return 0;
    }

    private static AgentRun Prepare(string id, TimeSpan limit, Launcher launcher)
    {
        var marker = RunMarker.Of(id, 1);
        var environment = new Dictionary<string, string> { ["PATH"] = "/usr/local/bin:/usr/bin:/bin", [Variable] = id, [RunMarker.Variable] = marker };
        var command = new AgentCommand("/bin/sh", ["-c", Nasty], environment, Path.GetTempPath(), Stdin: null);
        return new AgentRun(command, marker, new AgentLimits { Time = limit, Grace = Grace }, launcher, TimeProvider.System);
    }

    private static async Task RunAsync(AgentRun run, string id, AgentCgroup? cgroup)
    {
        using (cgroup)
        {
            var exit = await run.RunAsync(DrainAsync, DrainAsync, Task.CompletedTask, _ => Say($"spawned {id}"));
            Say($"ended {id} {exit.Reason} {exit.EndedBy} {exit.ProcessesEnded}");
        }
    }

    private static async Task DrainAsync(Stream stream, CancellationToken giveUp)
    {
        var buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer, CancellationToken.None).AsTask().WaitAsync(giveUp) > 0)
            {
            }
        }
        catch (OperationCanceledException)
        {
            // A process that still holds the pipe has outlived the sweep; the bench finds it.
        }
    }

    private static void Say(string line) => Console.Out.WriteLine(line);
}
