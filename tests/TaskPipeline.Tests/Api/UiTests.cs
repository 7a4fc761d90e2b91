using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>The plain page, in a real browser.</summary>
public sealed class UiTests(TestBroker broker) : ApiTest(broker)
{
    [Fact(Timeout = 120_000)]
    public async Task A_person_submits_a_sample_watches_it_and_stops_it()
    {
        await using var samples = await ReplicaAsync($"--Catalogue:File={Path.Combine(BuildOutput.Repository, "task-types.yaml")}");
        await using var browser = Open(samples);
        for (var sample = 0; sample < 3; sample++)
        {
            await browser.SendAsync($"submit {sample}");
            var taskId = (await browser.NextAsync("watched")).GetString()!;
            var detail = (await samples.GetAsync($"tasks/{taskId}")).Body;
            using var attempt = await StartAsync(detail);
            await attempt.PrintAsync("Processing row 1/2", "<img src=x onerror=alert(1)>");
            await attempt.PrintAsync(OutputStream.Stderr, "a warning");
            await attempt.PrintPartAsync("10%", 1);
            await attempt.PrintPartAsync("\r20%", 2);
            await attempt.PrintAsync(OutputStream.Stderr, "between");
            await attempt.PrintPartAsync("\r30%", 3);
            await attempt.PrintPartAsync(" done", 4, last: true);
            await browser.SendAsync("status running");
            await browser.NextAsync("status");
            if (sample < 2)
            {
                await attempt.FinishAsync();
            }
            else
            {
                await browser.SendAsync("stop");
                await samples.UntilAsync(taskId, "the stop has come", state => state.GetProperty("status").GetString() == "stopping");
                await attempt.ExitAsync(exitCode: null, EndReason.UserRequest);
                await attempt.EndAsync();
            }
            await browser.SendAsync(sample < 2 ? "status succeeded" : "status stopped");
            var output = (await browser.NextAsync("output")).EnumerateArray().Select(line => line.GetString()!).ToList();
            Assert.Contains("<img src=x onerror=alert(1)>", output);
            Assert.Contains("a warning", output);
            Assert.Equal(["30% done", "between"], output.SkipWhile(line => line != "a warning").Skip(1).Take(2));   // a progress bar is one row that moves
            Assert.Contains(output, line => line.StartsWith("running on w-1", StringComparison.Ordinal));
        }

        await browser.SendAsync("listed stopped");
        Assert.Equal(3, (await browser.NextAsync("listed")).GetArrayLength());
        await browser.SendAsync("screenshot");
        await browser.NextAsync("screenshot");
        Assert.Empty(browser.All("error"));
        Assert.Empty(browser.All("dialog"));
    }

    private async Task<ScriptedAttempt> StartAsync(System.Text.Json.JsonElement detail)
    {
        var task = new Submitted(detail);
        return await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
    }

    private static JavaScriptClient Open(ApiUnderTest api)
    {
        var screenshot = Path.Combine(BuildOutput.Repository, "artifacts", "ui.png");
        return JavaScriptClient.Start("ui.mjs", $"{api.Address}ui/", JavaScriptClient.FindChromium(), screenshot);
    }
}
