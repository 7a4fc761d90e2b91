using TaskPipeline.LocalProcesses;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class StartTests
{
    [Theory(Timeout = 60_000)]
    [InlineData("Kafka__BootstrapServers", "", "Kafka:BootstrapServers is missing")]
    [InlineData("Kafka__Partitions", "0", "Kafka:Partitions must be 1 to 1000")]
    [InlineData("Worker__ProjectConfigUrl", "", "Worker:ProjectConfigUrl is missing")]
    [InlineData("Worker__Id", "two words", "Worker:Id must be")]
    [InlineData("Worker__DrainTimeout", "-00:00:01", "Worker:DrainTimeout must be")]
    [InlineData("Worker__Keep", "1.00:00:00", "Worker:Keep must be at least Kafka:TaskRetention")]
    [InlineData("Worker__DataDirectory", "/proc/nowhere", "Worker:DataDirectory cannot be written to")]
    [InlineData("Catalogue__File", "/nowhere/task-types.yaml", "/nowhere/task-types.yaml")]
    public async Task A_value_that_cannot_be_used_is_named_in_one_line(string variable, string value, string expected)
    {
        var environment = new Dictionary<string, string?>
        {
            ["Kafka__BootstrapServers"] = "127.0.0.1:1",
            ["Worker__ProjectConfigUrl"] = "http://127.0.0.1:1",
            ["Catalogue__File"] = Path.Combine(BuildOutput.Repository, "task-types.yaml"),
            [variable] = value,
        };
        await using var worker = ChildProcess.Start("TaskWorker", environment: environment);
        Assert.Equal(78, await worker.WaitForExitAsync());
        Assert.Contains(expected, Assert.Single(worker.Lines, line => line.StartsWith("TaskWorker cannot start: ", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.DoesNotContain(worker.Lines, line => line.StartsWith("   at ", StringComparison.Ordinal));
    }

    [Fact(Timeout = 60_000)]
    public async Task Help_shows_the_options()
    {
        await using var worker = ChildProcess.Start("TaskWorker", ["--help"]);
        Assert.Equal(0, await worker.WaitForExitAsync());
        Assert.Contains("Worker__ProjectConfigUrl", worker.Output, StringComparison.Ordinal);
    }
}
