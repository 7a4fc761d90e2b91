using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class CommandLineTests
{
    [Theory(Timeout = 30_000)]
    [InlineData("--help", "seed-db", "task-context", "agent", "make-workbook", "DB_CONN", "Exit codes")]
    [InlineData("seed-db --help", "--reset", "--db")]
    [InlineData("task-context import-excel --help", "--main-tab", "--custom-structure", "first 50 rows", "Example:")]
    [InlineData("agent run --help", "--input", "--parallel-workers", "TASK_ARTIFACTS", "OPENAI_BASE_URL")]
    [InlineData("demo --help", "--steps", "--fail", "transform", "tool_call", "crash_worker", "hang", "flaky:0.3", "Example:")]
    public async Task Help_names_what_a_user_can_say(string arguments, params string[] words)
    {
        await using var workplace = new Workplace();

        var help = (await workplace.RunAsync(arguments.Split(' '))).ShouldSucceed();

        Assert.All(words, word => Assert.Contains(word, string.Join('\n', help.Output), StringComparison.Ordinal));
    }

    [Fact(Timeout = 30_000)]
    public async Task The_child_command_is_hidden()
    {
        await using var workplace = new Workplace();

        var help = (await workplace.RunAsync("agent", "--help")).ShouldSucceed();

        Assert.DoesNotContain(help.Output, line => line.Contains("analyse-part", StringComparison.Ordinal));
    }

    [Theory(Timeout = 30_000)]
    [InlineData("seed-db --rest", "--rest", "agent-cli seed-db --help")]
    [InlineData("task-context import-excel file.xlsx", "--main-tab", "agent-cli task-context import-excel --help")]
    [InlineData("agent run --input x --parallel-workers 0", "from 1 to 32", "agent-cli agent run --help")]
    [InlineData("agent run --input x --parallel-workers many", "many", "agent-cli agent run --help")]
    [InlineData("make-workbook x.xlsx --rows 0", "from 1 to 1000000", "agent-cli make-workbook --help")]
    [InlineData("demo --fail loudly", "--fail takes none, transform", "agent-cli demo --help")]
    [InlineData("demo --fail flaky:2", "not 'flaky:2'", "agent-cli demo --help")]
    [InlineData("demo --fail flaky:", "not 'flaky:'", "agent-cli demo --help")]
    public async Task A_wrong_command_line_is_told_what_is_wrong_and_where_help_is(string arguments, string reason, string hint)
    {
        await using var workplace = new Workplace();

        var result = await workplace.RunAsync(arguments.Split(' '));

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(reason, result.Error, StringComparison.Ordinal);
        Assert.Contains(hint, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }
}
