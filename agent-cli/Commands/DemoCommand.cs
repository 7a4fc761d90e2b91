using System.CommandLine;
using TaskPipeline.AgentCli.Demonstrating;

namespace TaskPipeline.AgentCli.Commands;

internal static class DemoCommand
{
    private const int MostSteps = 10_000;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(200);

    private const string Details = """
        Fails after half of its steps:
          none          it does not fail
          transform     bad data: exit code 1; a retry would fail again
          tool_call     a tool is unavailable: exit code 75; a retry can succeed
          crash_worker  kills its worker with SIGKILL
          hang          prints nothing more and never ends
          flaky:0.3     in 3 of 10 runs, like tool_call
        Before exit codes 1 and 75 the last line of stdout says {"type":"error","class":"permanent|transient","message":"..."}.
        Example: agent-cli demo --steps 10 --fail flaky:0.3
        """;

    public static Command Create()
    {
        var steps = new CountOption("--steps", usual: 5, MostSteps) { Description = "Number of steps, five per second" };
        var fail = new FailOption();
        var command = new DetailedCommand("demo", "Work through some steps, and fail in the chosen way.", Details) { steps, fail };
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetValue(steps), fail.Picked(parsed), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(int steps, Failure failure, CancellationToken cancellationToken)
    {
        for (var step = 1; step <= steps; step++)
        {
            Console.WriteLine($"Step {step}/{steps}");
            await Task.Delay(Step, cancellationToken);
            if (step == (steps + 1) / 2)
                await failure.HappenAsync(cancellationToken);
        }

        Console.WriteLine("Every step is done");
        return ExitCodes.Succeeded;
    }
}
