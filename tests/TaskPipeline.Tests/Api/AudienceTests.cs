using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>Watchers that wait at the end of a log together, and are sent what comes by one loop.</summary>
public sealed class AudienceTests(TestBroker broker) : ApiTest(broker)
{
    private const int Crowd = 130;   // more than share what waits

    [Fact(Timeout = 120_000)]
    public async Task A_crowd_is_told_every_line_once_while_some_come_and_go_and_speak()
    {
        const int Lines = 300;
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        List<WatchClient> watchers = [.. await Task.WhenAll(Enumerable.Range(0, Crowd).Select(_ => WatchClient.WatchAsync(Api, task)))];
        foreach (var watcher in watchers)
            await watcher.UntilAsync("caught_up");
        var answers = watchers[1..(1 + (Lines / 30))].ConvertAll(watcher => watcher.UntilAsync("error"));   // of those who speak
        var reading = watchers.Select(async (watcher, number) =>
        {
            if (number is >= 1 and <= Lines / 30)
                await answers[number - 1];
            return await watcher.ToTheEndAsync();
        }).ToList();

        List<Task<WatchClient>> others = [];
        for (var line = 1; line <= Lines; line++)
        {
            await attempt.PrintAsync(new string('x', line % 50 == 0 ? 100_000 : line % 7 == 0 ? 300 : 1));
            if (line % 20 == 0)
                others.Add(PassByAsync(line));
            if (line % 30 == 0)
                await watchers[line / 30].SendAsync("""{"type":"dance"}""");   // is answered between the lines
        }
        await Task.WhenAll(answers);   // the end of the task does not wait for them
        await attempt.FinishAsync();

        foreach (var watcher in await Task.WhenAll(reading))
        {
            Assert.Equal(Enumerable.Range(1, Lines), SeqsOf(watcher));
            Assert.Equal("end", WatchClient.TypeOf(watcher.Events[^1]));
            await watcher.DisposeAsync();
        }
        Assert.All(Enumerable.Range(1, Lines / 30), number => Assert.Single(watchers[number].Events, told => WatchClient.TypeOf(told) == "error"));
        foreach (var watcher in await Task.WhenAll(others))
            Assert.Equal(Enumerable.Range(1, SeqsOf(watcher).Count()), SeqsOf(watcher));

        // Sees the next few lines, and goes without a word.
        async Task<WatchClient> PassByAsync(int line)
        {
            var watcher = await WatchClient.WatchAsync(Api, task);
            await watcher.UntilAsync("lines", told => told.GetProperty("lines").EnumerateArray().Any(shown => shown.GetProperty("seq").GetInt32() >= Math.Min(line + 5, Lines)));
            await watcher.DisposeAsync();
            return watcher;
        }
    }

    [Fact(Timeout = 120_000)]
    public async Task Each_of_a_crowd_is_told_what_it_has_asked_for()
    {
        const int Lines = 200;
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        (string Query, Func<int, bool> IsWanted)[] wishes =
        [
            ("", _ => true),
            ("stream=stderr", seq => seq % 3 == 0),
            ("stream=stdout", seq => seq % 3 != 0),
            ("from=1.50.2", seq => seq > 50),   // of a replica that has read further
        ];
        List<WatchClient> watchers = [.. await Task.WhenAll(Enumerable.Range(0, Crowd).Select(number => WatchClient.WatchAsync(Api, task, wishes[number % wishes.Length].Query)))];
        foreach (var watcher in watchers)
            await watcher.UntilAsync("caught_up");
        var reading = watchers.Select(watcher => watcher.ToTheEndAsync()).ToList();

        for (var line = 1; line <= Lines; line++)
            await attempt.PrintAsync(line % 3 == 0 ? OutputStream.Stderr : OutputStream.Stdout, $"line {line}");
        await attempt.FinishAsync();
        await Task.WhenAll(reading);

        for (var number = 0; number < Crowd; number++)
        {
            Assert.Equal(Enumerable.Range(1, Lines).Where(wishes[number % wishes.Length].IsWanted), SeqsOf(watchers[number]));
            await watchers[number].DisposeAsync();
        }
    }

    [Fact(Timeout = 120_000)]
    public async Task A_crowd_that_acknowledges_late_has_every_line_once_when_it_reads_on()
    {
        var time = TimeSpan.FromSeconds(3);   // is the test: long enough to be known as late, too short to be cut off
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        List<WatchClient> watchers = [.. await Task.WhenAll(Enumerable.Range(0, Crowd).Select(_ => WatchClient.WatchAsync(Api, task)))];
        foreach (var watcher in watchers)
            await watcher.UntilAsync("caught_up");

        // Who does not read has nothing acknowledged but now and then, by the system. Some leave meanwhile, and some begin to read.
        var asleep = new Queue<WatchClient>(watchers);
        List<Task<WatchClient>> reading = [asleep.Dequeue().ToTheEndAsync()];
        var since = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(since) < time)
        {
            await attempt.PrintAsync($"line {attempt.Lines + 1}");
            if (attempt.Lines % 50 != 0 || asleep.Count < 90)
                continue;
            await asleep.Dequeue().DisposeAsync();
            reading.Add(asleep.Dequeue().ToTheEndAsync());
        }
        reading.AddRange(asleep.Select(watcher => watcher.ToTheEndAsync()));
        await attempt.FinishAsync();

        foreach (var watcher in await Task.WhenAll(reading))
        {
            Assert.Equal(Enumerable.Range(1, (int)attempt.Lines), SeqsOf(watcher));
            Assert.Equal("end", WatchClient.TypeOf(watcher.Events[^1]));
            await watcher.DisposeAsync();
        }
    }

    [Fact(Timeout = 120_000)]
    public async Task Who_stops_reading_is_left_behind_alone_and_has_everything_when_it_reads_on()
    {
        const int Lines = 400;
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);
        await using var awake = await WatchClient.WatchAsync(Api, task);
        await using var asleep = await WatchClient.WatchAsync(Api, task);
        await awake.UntilAsync("caught_up");
        await asleep.UntilAsync("caught_up");

        var reading = awake.ToTheEndAsync();
        await FloodAsync(attempt, Lines);
        await attempt.FinishAsync();
        await reading;   // it did not wait for the other
        await asleep.ToTheEndAsync();

        Assert.Equal(Enumerable.Range(1, Lines), SeqsOf(awake));
        Assert.Equal(Enumerable.Range(1, Lines), SeqsOf(asleep));
    }

    [Fact(Timeout = 120_000)]
    public async Task Who_takes_no_line_that_comes_is_closed_with_the_cursor_to_come_back_with()
    {
        const int Lines = 400;
        await using var impatient = await ReplicaAsync("--Api:WriteTimeout=00:00:05");
        var task = await impatient.SubmitAsync();
        using var attempt = await StartAsync(task);
        await using var slow = await WatchClient.WatchAsync(impatient, task);
        await slow.UntilAsync("caught_up");

        var slowness = Task.Delay(TimeSpan.FromSeconds(8), TestContext.Current.CancellationToken);   // is the test: longer than its maxWait, shorter than that and the maxWait for the close code
        await FloodAsync(attempt, Lines);
        await slowness;
        await slow.ToTheEndAsync();
        Assert.Equal(4008, (int?)slow.CloseCode);

        await attempt.FinishAsync();
        await using var back = await WatchClient.WatchAsync(impatient, task, $"from={slow.CloseReason}");
        await back.ToTheEndAsync();
        Assert.Equal(Enumerable.Range(1, Lines), SeqsOf(slow).Concat(SeqsOf(back)));
    }

    [Fact(Timeout = 120_000)]
    public async Task Lines_reach_watchers_whose_connection_is_encrypted()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("taskpipeline-tls-").FullName, "key.pfx");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        await File.WriteAllBytesAsync(file, certificate.Export(X509ContentType.Pfx), TestContext.Current.CancellationToken);
        await using var secure = await ApiUnderTest.StartUnreadyAsync(Broker, Prefix, "--urls=https://127.0.0.1:0", $"--Kestrel:Certificates:Default:Path={file}");
        using var trusting = new HttpClient(new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, shown, _, _) => IsOurs(shown) }) { BaseAddress = secure.Address };
        await Eventually.TrueAsync("the API is ready", async () => (await trusting.GetAsync(new Uri("readyz", UriKind.Relative))).StatusCode == HttpStatusCode.OK, TimeSpan.FromSeconds(30));
        var task = await Api.SubmitAsync();
        using var attempt = await StartAsync(task);

        await using var watcher = await WatchClient.ConnectAsync(secure, task.Link("watch"), options => options.RemoteCertificateValidationCallback = (_, shown, _, _) => IsOurs(shown));
        await watcher.UntilAsync("caught_up");
        for (var line = 1; line <= 50; line++)
            await attempt.PrintAsync($"line {line}");
        await attempt.FinishAsync();
        await watcher.ToTheEndAsync();

        Assert.Equal(Enumerable.Range(1, 50), SeqsOf(watcher));
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);

        bool IsOurs(X509Certificate? shown) => shown?.GetCertHashString() == certificate.GetCertHashString();
    }

    /// <summary>More than the buffers of a connection hold.</summary>
    private static async Task FloodAsync(ScriptedAttempt attempt, int lines)
    {
        var line = new string('x', 60_000);
        for (var number = 0; number < lines; number += 4)
            await attempt.PrintAsync(line, line, line, line);
    }

    private async Task<ScriptedAttempt> StartAsync(Submitted task) => await (await Worker.ClaimAsync(task.Lane)).StartAsync(task);

    private static IEnumerable<int> SeqsOf(WatchClient watcher) => watcher.Lines.Select(line => line.GetProperty("seq").GetInt32());
}
