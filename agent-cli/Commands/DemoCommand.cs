using System.CommandLine;
using TaskPipeline.AgentCli.Demonstrating;

namespace TaskPipeline.AgentCli.Commands;

internal static class DemoCommand
{
    private const int MostSteps = 10_000;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(200);

    private const string Details = """
        Fails half way through its steps, where it is to fail:
          none          it does not
          transform     the data are bad: exit code 1; the same again would fail again
          tool_call     a tool is away: exit code 75; later it may work
          crash_worker  its worker is killed with SIGKILL
          hang          it falls silent for ever
          flaky:0.3     in 3 of 10 runs, as tool_call
        Before exit codes 1 and 75 the last line of stdout says {"type":"error","class":"permanent|world","message":"..."}.
        Example: agent-cli demo --steps 10 --fail flaky:0.3
        """;

    public static Command Create()
    {
        var steps = new CountOption("--steps", usual: 5, MostSteps) { Description = "Steps to work through, five a second" };
        var fail = new FailOption();
        var command = new DetailedCommand("demo", "Work through some steps, and fail in a way that is asked for.", Details) { steps, fail };
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
