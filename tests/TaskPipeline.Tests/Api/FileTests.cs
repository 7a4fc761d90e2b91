using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Files on their way to an agent: over HTTP into Kafka, and out of it into a workspace.</summary>
public sealed class FileTests(TestBroker broker)
{
    private const int Timeout = 90_000;
    private const string Catalogue = """
        types:
          read: { executable: sh, arguments: [-c, 'basename "$1"; sha256sum < "$1"; [ -z "$2" ] || cat "$2"', sh], params: { book: { type: file, positional: true, required: true }, note: { type: file, positional: true } } }
        """;

    [Theory(Timeout = Timeout)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(FileReference.ChunkBytes)]
    [InlineData((3 * FileReference.ChunkBytes) + 17)]
    public async Task A_stored_file_comes_to_the_agent_as_it_was(int size)
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 2, catalogue: Catalogue);
        await using var api = await StartAsync(pipeline);
        var content = RandomNumberGenerator.GetBytes(size);
        // Two at once: their chunks lie among each other.
        var answers = await Task.WhenAll(StoreAsync(api, content, "Q1 book.xlsx"), StoreAsync(api, "a note"u8.ToArray(), "note.txt"));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.Status));
        var (book, note) = (answers[0].Body, answers[1].Body);
        Assert.Equal((size, Convert.ToHexStringLower(SHA256.HashData(content))), (book.GetProperty("size").GetInt32(), book.GetProperty("sha256").GetString()));
        var task = await api.PostAsync("tasks", new { type = "read", @params = new { book = book.GetProperty("file").GetString(), note = note.GetProperty("file").GetString() } });
        Assert.Equal(HttpStatusCode.Accepted, task.Status);
        var id = task.Body.GetProperty("task_id").GetString()!;
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(id)).Status);
        Assert.Equal(["Q1 book.xlsx", Convert.ToHexStringLower(SHA256.HashData(content)) + "  -", "a note"], (await pipeline.LinesAsync(id)).Select(line => line.Text));
    }

    [Fact(Timeout = Timeout)]
    public async Task What_is_too_large_or_misnamed_or_no_file_is_refused()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        await using var api = await StartAsync(pipeline, "--Api:MaxFileBytes=1000000");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await StoreAsync(api, new byte[1_000_001], "a")).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await StoreAsync(api, new byte[1_000_001], "a", isChunked: true)).Status);
        Assert.Equal(HttpStatusCode.Created, (await StoreAsync(api, new byte[1_000_000], "a", isChunked: true)).Status);
        foreach (var name in new[] { "../a", ".hidden", "-rf", "a/b", "", new string('a', 101) })
            Assert.Contains("name", (await StoreAsync(api, [1], name)).Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await StoreAsync(api, [1], "a", contentType: "text/plain")).Status);

        var stored = (await StoreAsync(api, [1], "a")).Body.GetProperty("file").GetString()!;
        foreach (var wrong in new[] { "a", "/etc/passwd", stored.Replace("/a", "/../a", StringComparison.Ordinal) })
            Assert.Contains("POST /files", (await SubmitAsync(api, wrong)).Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
        var late = await api.PostAsync("tasks", new { type = "read", delay = "30d", @params = new { book = stored } });
        Assert.Contains("store the file again", late.Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_file_that_is_not_there_or_another_one_ends_the_task_with_the_reason()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: Catalogue);
        await using var api = await StartAsync(pipeline);
        var stored = FileReference.Parse((await StoreAsync(api, [1, 2, 3], "a")).Body.GetProperty("file").GetString()!)!;
        foreach (var (wrong, reason) in new[]
        {
            (stored with { Chunks = 2, Size = 6 }, "no longer kept"),
            (stored with { Offset = stored.Offset + 1 }, "no longer kept"),
            (stored with { Sha256 = new string('0', 64) }, "differs from what was stored"),
            (stored with { Partition = 77 }, "not a file of this pipeline"),
        })
        {
            var id = (await SubmitAsync(api, wrong.ToString())).Body.GetProperty("task_id").GetString()!;
            var end = await pipeline.EndOfAsync(id);
            Assert.Equal((Status.Failed, EndReason.SpawnFailed), (end.Status, end.Reason));
            Assert.Contains(reason, end.Error, StringComparison.Ordinal);
        }
    }

    private Task<ApiUnderTest> StartAsync(TestPipeline pipeline, params IEnumerable<string> more) =>
        ApiUnderTest.StartAsync(broker, pipeline.Prefix, [$"--Kafka:Partitions={pipeline.Cluster.Topics.Lanes}", $"--Catalogue:File={pipeline.CatalogueFile}", .. more]);

    private static Task<(HttpStatusCode Status, JsonElement Body)> SubmitAsync(ApiUnderTest api, string file) => api.PostAsync("tasks", new { type = "read", @params = new { book = file } });

    private static async Task<(HttpStatusCode Status, JsonElement Body)> StoreAsync(ApiUnderTest api, byte[] content, string name, bool isChunked = false, string contentType = "application/octet-stream")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"files?name={Uri.EscapeDataString(name)}") { Content = new ByteArrayContent(content) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
        request.Headers.TransferEncodingChunked = isChunked;
        using var answer = await api.Http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }
}
