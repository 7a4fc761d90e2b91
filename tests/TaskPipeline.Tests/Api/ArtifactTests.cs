using System.Net;
using System.Net.Http.Headers;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>What agents leave behind, from the worker's folder to a download.</summary>
public sealed class ArtifactTests(TestBroker broker)
{
    private const string Catalogue = """
        types:
          script: { executable: sh, arguments: [-c], params: { script: { positional: true, required: true } } }
        """;

    [Fact(Timeout = 90_000)]
    public async Task Files_that_an_agent_leaves_are_listed_and_downloaded_and_nothing_else_is()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        await using var api = await ApiUnderTest.StartAsync(broker, pipeline.Prefix, "--Kafka:Partitions=1", $"--Catalogue:File={pipeline.CatalogueFile}", $"--Artifacts:Directory={Path.Combine(pipeline.Folder, "artifacts")}");
        var id = await pipeline.SubmitAsync("script", new
        {
            script = """
                cd "$TASK_ARTIFACTS"; printf hello > 'a b.txt'; mkdir -p sub/empty; printf '<script>alert(1)</script>' > sub/page.html
                ln -s /etc/passwd stolen; ln -s /etc folder; mkfifo pipe; : > nothing
                """,
        });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, null), (end.Status, end.Error));
        Assert.Equal([new Artifact("a b.txt", 5), new Artifact("nothing", 0), new Artifact("pipe", 0), new Artifact("sub/page.html", 25)], end.Attempts[0].Artifacts!);
        Assert.Equal(2, (await pipeline.RecordAsync<AttemptExited>(id)).ArtifactsLeftOut);

        await Eventually.TrueAsync("the API knows the end", async () => (await api.GetAsync($"tasks/{id}")) is (HttpStatusCode.OK, var task) && task.GetProperty("status").GetString() == "succeeded", TestPipeline.MaxWait);
        var (_, list) = await api.GetAsync($"tasks/{id}/artifacts");
        Assert.Equal(2, list.GetProperty("artifacts_left_out").GetInt32());
        var listed = list.GetProperty("artifacts").EnumerateArray().ToDictionary(artifact => artifact.GetProperty("name").GetString()!, artifact => artifact.GetProperty("url").GetString()!);
        Assert.Equal(["a b.txt", "nothing", "pipe", "sub/page.html"], listed.Keys);
        Assert.Equal("hello", await api.Http.GetStringAsync(listed["a b.txt"]));
        Assert.Equal("", await api.Http.GetStringAsync(listed["pipe"]));
        using var page = await api.Http.GetAsync(listed["sub/page.html"]);
        Assert.Equal(("attachment", "nosniff"), (page.Content.Headers.ContentDisposition!.DispositionType, page.Headers.GetValues("X-Content-Type-Options").Single()));
        using var part = new HttpRequestMessage(HttpMethod.Get, listed["a b.txt"]) { Headers = { Range = new RangeHeaderValue(1, 2) } };
        using var answer = await api.Http.SendAsync(part);
        Assert.Equal((HttpStatusCode.PartialContent, "el"), (answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));

        foreach (var other in new[] { "1/stolen", "1/folder/passwd", "2/a%20b.txt", "1/..%2F..%2Fsecret", "1/none" })
            Assert.Equal(HttpStatusCode.NotFound, (await api.GetAsync($"tasks/{id}/artifacts/{other}")).Status);

        File.Delete(Path.Combine(pipeline.Folder, "artifacts", id, "1", "a b.txt"));
        Assert.Contains((await api.GetAsync($"tasks/{id}/artifacts")).Body.GetProperty("artifacts").EnumerateArray(), artifact => artifact.GetProperty("name").GetString() == "a b.txt" && !artifact.TryGetProperty("url", out _));
        Assert.Contains("Artifacts:Directory", (await api.GetAsync(listed["a b.txt"].TrimStart('/'))).Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }
}
