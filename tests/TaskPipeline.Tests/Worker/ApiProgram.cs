using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>The API as a process of its own, on the topics of a <see cref="TestPipeline"/>.</summary>
internal sealed class ApiProgram : IAsyncDisposable
{
    private ApiProgram(ChildProcess process, Uri address) => (Process, Http) = (process, new HttpClient { BaseAddress = address, Timeout = TestPipeline.MaxWait });

    public ChildProcess Process { get; }

    public HttpClient Http { get; }

    /// <summary>Starts it, and returns when it has read everything.</summary>
    /// <param name="arguments">In addition to those that it needs to find the pipeline.</param>
    public static async Task<ApiProgram> StartAsync(TestPipeline pipeline, params IEnumerable<string> arguments)
    {
        var process = StartUnready(pipeline, arguments);
        var listening = await process.WaitForLineAsync("Listening", TestPipeline.MaxWait);
        var api = new ApiProgram(process, new Uri(listening.Split('"').First(part => part.StartsWith("http", StringComparison.Ordinal))));
        await Eventually.TrueAsync("the API is ready", async () =>
        {
            using var answer = await api.Http.GetAsync("readyz", TestContext.Current.CancellationToken);
            return answer.IsSuccessStatusCode;
        }, TestPipeline.MaxWait);
        return api;
    }

    /// <summary>The same for one that may not live so long.</summary>
    public static ChildProcess StartUnready(TestPipeline pipeline, params IEnumerable<string> arguments) => ChildProcess.Start("TaskApi",
    [
        "--urls=http://127.0.0.1:0",
        $"--Kafka:HandlingDirectory={Path.Combine(pipeline.Folder, "handling")}",
        $"--Artifacts:Directory={Path.Combine(pipeline.Folder, "artifacts")}",
        $"--Catalogue:File={pipeline.CatalogueFile}",
        .. pipeline.Settings.Select(setting => $"--{setting.Key}={setting.Value}"),
        .. arguments,
    ]);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Process.DisposeAsync();
    }
}
