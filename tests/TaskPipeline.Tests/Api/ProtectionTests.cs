using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>A page that somebody visits by chance must not reach this API, nor another machine that was not meant to.</summary>
public sealed class ProtectionTests(TestBroker broker) : ApiTest(broker)
{
    [Theory(Timeout = 60_000)]
    [InlineData("evil.example")]
    [InlineData("evil.example:8080")]
    [InlineData("localhost.evil.example")]
    [InlineData("192.168.1.7")]
    public async Task A_name_that_is_not_ours_is_refused(string host)
    {
        using var answer = await SendAsync(HttpMethod.Get, "tasks", ("Host", host));

        Assert.Equal(HttpStatusCode.MisdirectedRequest, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("localhost")]
    [InlineData("LOCALHOST:1")]
    [InlineData("127.0.0.1:8080")]
    [InlineData("[::1]:8080")]
    public async Task Names_of_the_loopback_are_ours(string host)
    {
        using var answer = await SendAsync(HttpMethod.Get, "tasks", ("Host", host));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("http://evil.example")]
    [InlineData("null")]
    [InlineData("http://127.0.0.1")]
    [InlineData("https://{0}")]
    [InlineData("http://{0}.evil.example")]
    public async Task Pages_of_other_origins_can_change_nothing_and_watch_nothing(string origin)
    {
        origin = string.Format(null, origin, Api.Address.Authority);
        var task = await Api.SubmitAsync();
        using var submit = await SendAsync(HttpMethod.Post, "tasks", ("Origin", origin));
        using var stop = await SendAsync(HttpMethod.Post, $"tasks/{task.TaskId}/stop", ("Origin", origin));
        using var negotiate = await SendAsync(HttpMethod.Post, "hubs/tasks/negotiate?negotiateVersion=1", ("Origin", origin));

        Assert.All([submit, stop, negotiate], answer => Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode));
        await Assert.ThrowsAsync<WebSocketException>(() => WatchClient.ConnectAsync(Api, task.Link("watch"), options => options.SetRequestHeader("Origin", origin)));
        await Assert.ThrowsAsync<WebSocketException>(() => WatchClient.ConnectAsync(Api, "/hubs/tasks", options => options.SetRequestHeader("Origin", origin)));
        Assert.Equal("queued", (await Api.GetAsync($"tasks/{task.TaskId}")).Body.GetProperty("status").GetString());
    }

    [Fact(Timeout = 60_000)]
    public async Task A_thousand_connections_that_never_ask_for_anything_hurt_nobody_and_are_closed()
    {
        const int Connections = 1000;
        var halfOpen = new List<Socket>();
        try
        {
            for (var number = 0; number < Connections; number++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                halfOpen.Add(socket);
                await socket.ConnectAsync(IPAddress.Loopback, Api.Address.Port, TestContext.Current.CancellationToken);
                await socket.SendAsync(Encoding.ASCII.GetBytes($"GET /tasks HTTP/1.1\r\nHost: {Api.Address.Authority}\r\nX-Half: "), TestContext.Current.CancellationToken);
            }
            var task = await Api.SubmitAsync();
            await using var viewer = await WatchClient.WatchAsync(Api, task);
            using var attempt = await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);
            await attempt.PrintAsync("one");
            await attempt.FinishAsync();
            await viewer.ToTheEndAsync();
            Assert.Equal(["one"], viewer.Texts);

            foreach (var socket in halfOpen)
                await ToTheEndAsync(socket);
        }
        finally
        {
            foreach (var socket in halfOpen)
                socket.Dispose();
        }

        static async Task ToTheEndAsync(Socket socket)
        {
            var answer = new byte[1024];
            while (await socket.ReceiveAsync(answer, TestContext.Current.CancellationToken) > 0)
            {
            }
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task Pages_of_our_own_and_of_configured_origins_are_served_without_CORS_headers()
    {
        await using var open = await ReplicaAsync("--Api:AllowedOrigins:0=https://ops.example", "--Api:AllowedHosts:0=tasks.example");
        foreach (var origin in new[] { $"http://{open.Address.Authority}", "https://ops.example" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "tasks") { Headers = { { "Origin", origin } } };
            using var answer = await open.Http.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.DoesNotContain(answer.Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
        }
        using var named = new HttpRequestMessage(HttpMethod.Get, "tasks") { Headers = { { "Host", "tasks.example" } } };
        using var served = await open.Http.SendAsync(named);
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
    }

    [Fact(Timeout = 60_000)]
    public async Task Errors_are_problem_documents_whatever_the_client_accepts()
    {
        foreach (var (method, path, status) in new[] { (HttpMethod.Get, "nothing/here", 404), (HttpMethod.Delete, "tasks", 405), (HttpMethod.Get, "tasks/nobody", 404), (HttpMethod.Get, "ui/../../etc/passwd", 404), (HttpMethod.Get, "ui/nothing.js", 404) })
        {
            using var answer = await SendAsync(method, path, ("Accept", "text/event-stream"));
            Assert.Equal(status, (int)answer.StatusCode);
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
            Assert.Contains($"\"status\":{status}", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Theory(Timeout = 60_000)]
    [InlineData("POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n", "413")]
    [InlineData("GET /tasks HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n", "400")]
    [InlineData("GET /tasks HTTP/1.1\r\n\r\n", "400")]
    public async Task Requests_that_are_too_much_or_broken_are_refused(string request, string status)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(Api.Address.Host, Api.Address.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream());

        Assert.Contains(status, await reader.ReadLineAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("--urls=http://0.0.0.0:0", "Api:AllowRemote")]
    [InlineData("--urls=http://*:0;http://127.0.0.1:0", "Api:AllowRemote")]
    [InlineData("--http_ports=0", "Api:AllowRemote")]
    [InlineData("--Kestrel:Endpoints:Other:Url=http://[::]:0", "Api:AllowRemote")]
    [InlineData("--Api:KafkaTimeout=1.00:00:00", "Api:KafkaTimeout")]
    [InlineData("--Api:AllowedOrigins:0=ops.example", "Api:AllowedOrigins")]
    [InlineData("--Api:AllowedHosts:0=http://x", "Api:AllowedHosts")]
    [InlineData("--Kafka:Partitions=0", "Kafka:Partitions must be 1 to 1000")]
    [InlineData("--Catalogue:File=/nowhere", "Catalogue:File")]
    public async Task A_configuration_that_must_not_run_ends_the_program_with_78_and_a_sentence_that_names_the_field(string argument, string field)
    {
        await using var program = ChildProcess.Start("TaskApi", ["--Kafka:BootstrapServers=127.0.0.1:1", $"--Catalogue:File={Path.Combine(AppContext.BaseDirectory, "Api", "task-types.yaml")}", argument]);

        Assert.Equal(78, await program.WaitForExitAsync());
        Assert.Contains(field, program.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", program.Output, StringComparison.Ordinal);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, (string Name, string Value) header)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.TryAddWithoutValidation(header.Name, header.Value);
        if (method == HttpMethod.Post)
            request.Content = new StringContent("""{"type":"echo","params":{"text":"x"}}""", Encoding.UTF8, "application/json");
        return await Api.Http.SendAsync(request);
    }
}
