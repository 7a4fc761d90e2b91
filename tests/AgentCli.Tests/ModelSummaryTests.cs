using Microsoft.AspNetCore.Http;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

public sealed class ModelSummaryTests
{
    [Fact(Timeout = 60_000)]
    public async Task The_models_words_are_printed_as_they_come_and_go_into_the_report()
    {
        var firstWasSeen = new TaskCompletionSource();
        await using var model = await FakeModel.StartAsync(async context =>
        {
            await FakeModel.SayAsync(context, "Three units\n");
            await firstWasSeen.Task.WaitAsync(context.RequestAborted);
            await FakeModel.SayAsync(context, "are ");
            await FakeModel.SayAsync(context, "used.");
            await FakeModel.EndAsync(context);
        });
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 50);
        model.Configure(workplace);

        var agent = workplace.Start("agent", "run", "--input", "Which units?");
        await agent.LineAsync("Three units");
        firstWasSeen.SetResult();
        var result = (await agent.ResultAsync()).ShouldSucceed();

        Assert.Contains("are used.", result.Output);
        Assert.Contains("## Summary by the model\n\nThree units\nare used.\n\n## What", workplace.Read("report.md"), StringComparison.Ordinal);
        Assert.Equal("Bearer k3y", model.Authorization);
        Assert.Equal(("tiny", true), (model.Request.GetProperty("model").GetString(), model.Request.GetProperty("stream").GetBoolean()));
        var material = model.Request.GetProperty("messages")[1].GetProperty("content").GetString();
        Assert.Contains("Which units?", material, StringComparison.Ordinal);
        Assert.Contains("| Unit | 30 | 40 % | text | 3 |", material, StringComparison.Ordinal);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("refuses", "429")]
    [InlineData("breaks off", "broke off")]
    [InlineData("hangs up", "the model wrote no summary")]
    [InlineData("talks nonsense", "the model wrote no summary")]
    [InlineData("reports an error", "too many tokens")]
    [InlineData("says nothing", "it said nothing")]
    public async Task When_the_model_fails_the_report_does_without_and_a_line_says_why(string behaviour, string reason)
    {
        await using var model = await FakeModel.StartAsync(context => MisbehaveAsync(context, behaviour));
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 50);
        model.Configure(workplace);

        var result = await workplace.RunAsync("agent", "run", "--input", "Which units?");

        result.ShouldFail(0, reason);
        Assert.DoesNotContain("k3y", result.Error, StringComparison.Ordinal);
        var report = workplace.Read("report.md");
        Assert.Contains("| Unit | 30 |", report, StringComparison.Ordinal);
        Assert.DoesNotContain("Summary by the model", report, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task Half_a_configuration_is_named()
    {
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 5);
        workplace.Environment["OPENAI_BASE_URL"] = "http://127.0.0.1:1/v1";

        (await workplace.RunAsync("agent", "run", "--input", "x1y")).ShouldFail(0, "OPENAI_MODEL is not");
    }

    [Fact(Timeout = 60_000)]
    public async Task A_signal_ends_an_agent_that_waits_for_the_model()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals");
        var asked = new TaskCompletionSource();
        await using var model = await FakeModel.StartAsync(async context =>
        {
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        await using var workplace = new Workplace();
        await workplace.ImportSampleAsync(rows: 5);
        model.Configure(workplace);

        var agent = workplace.Start("agent", "run", "--input", "Which units?");
        await asked.Task.WaitAsync(TestContext.Current.CancellationToken);
        agent.Signal(15);

        Assert.Equal(143, (await agent.ResultAsync()).ExitCode);
    }

    private static async Task MisbehaveAsync(HttpContext context, string behaviour)
    {
        switch (behaviour)
        {
            case "refuses":
                context.Response.StatusCode = 429;
                break;
            case "breaks off":
                await FakeModel.SayAsync(context, "Three");
                break;
            case "hangs up":
                await FakeModel.SayAsync(context, "Three");
                context.Abort();
                break;
            case "talks nonsense":
                await context.Response.WriteAsync("data: <html>\n\n");
                break;
            case "reports an error":
                await context.Response.WriteAsync("data: {\"error\":{\"message\":\"too many tokens\"}}\n\n");
                break;
            default:
                await FakeModel.EndAsync(context);
                break;
        }
    }
}
