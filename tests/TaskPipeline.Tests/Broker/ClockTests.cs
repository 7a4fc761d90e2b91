using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Confluent.Kafka;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.Broker;

/// <summary>A host whose clock is an hour wrong: due times are Kafka's.</summary>
public sealed class ClockTests(TestBroker broker)
{
    private const string NeedsTimes = "the embedded broker's acknowledgements tell no time; set KAFKA_BOOTSTRAP_SERVERS to a real one";
    private const string Catalogue = """
        types:
          say:    { executable: echo, params: { text: { positional: true, required: true } } }
          silent: { executable: sleep, arguments: ['1000'], grace: 1s }
        """;

    [Theory(Timeout = 90_000)]
    [InlineData("01:00:00", "ahead of")]
    [InlineData("-01:00:00", "behind")]
    public async Task A_replica_with_a_wrong_clock_puts_off_and_fires_at_the_right_time_and_says_so(string ahead, string difference)
    {
        Assert.SkipWhen(broker.IsEmbedded, NeedsTimes);
        var prefix = await broker.NewPipelineAsync();
        await using var api = await ApiUnderTest.StartAsync(broker, prefix, $"--Kafka:ClockAhead={ahead}");
        var task = await api.SubmitAsync(new { type = "echo", delay = "2s", start_by = "10m", deadline = "20m", @params = new { text = "later" } });

        Assert.InRange(task.DueAt - DateTimeOffset.UtcNow, TimeSpan.FromSeconds(-2), TimeSpan.FromSeconds(3.5));
        var cluster = await broker.ConnectAsync(prefix);
        using var tasks = new TopicReader(cluster, cluster.Topics.Tasks);
        Assert.InRange(tasks.NextTask().At - task.DueAt, TimeSpan.FromSeconds(-1), TimeSpan.FromSeconds(10));

        using var answer = await api.Http.GetAsync(new Uri("readyz", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Matches($"the clock of {Environment.MachineName} is (359.|360.) s {difference} Kafka's", JsonElement.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).GetProperty("warnings")[0].GetString());
        Assert.InRange(answer.Headers.Date!.Value - DateTimeOffset.UtcNow, TimeSpan.FromSeconds(-10), TimeSpan.FromSeconds(10));
    }

    [Theory(Timeout = 90_000)]
    [InlineData("01:00:00", "ahead of")]
    [InlineData("-01:00:00", "behind")]
    public async Task A_worker_with_a_wrong_clock_neither_expires_nor_times_out_what_is_in_time_and_ends_what_is_overdue(string ahead, string difference)
    {
        Assert.SkipWhen(broker.IsEmbedded, NeedsTimes);
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 4, catalogue: Catalogue, settings: KeyValuePair.Create("Kafka:ClockAhead", (string?)ahead));
        await using var api = await ApiUnderTest.StartAsync(broker, pipeline.Prefix, $"--Catalogue:File={pipeline.CatalogueFile}");

        var inTime = await api.SubmitAsync(new { type = "say", start_by = "10m", deadline = "20m", @params = new { text = "in time" } });
        Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(inTime.TaskId)).Status);
        Assert.InRange((await pipeline.RecordAsync<AttemptStarting>(inTime.TaskId)).At - DateTimeOffset.UtcNow, TimeSpan.FromSeconds(-30), TimeSpan.FromSeconds(2));

        var overdue = await api.SubmitAsync(new { type = "silent", deadline = "2s" });
        var end = await pipeline.EndOfAsync(overdue.TaskId);
        Assert.Equal((Status.TimedOut, EndReason.Deadline), (end.Status, end.Reason));

        await Eventually.TrueAsync("the worker's clock is named", async () => (await WarningsAsync(api)).Any(warning =>
            Regex.IsMatch(warning, $"where worker w1 is, is (359.|360.) s {difference} Kafka's")), TestPipeline.MaxWait);
        Assert.Matches($"The clock of this machine is (359.|360.) s {difference} Kafka's", await pipeline.Workers[0].WaitForLineAsync("The clock of this machine"));
    }

    [Fact]
    public void A_clock_that_is_set_while_the_process_runs_moves_nothing_before_kafka_has_told_its_time()
    {
        var options = new KafkaOptions();
        var clock = NewClock(options);
        clock.Observe(clock.GetTimestamp(), new Timestamp(DateTime.UtcNow, TimestampType.LogAppendTime));

        options.ClockAhead = TimeSpan.FromHours(1);
        IsRight();
        clock.Observe(clock.GetTimestamp(), new Timestamp(DateTime.UtcNow, TimestampType.LogAppendTime));
        IsRight();
        Assert.InRange(clock.Ahead!.Value, TimeSpan.FromMinutes(59), TimeSpan.FromMinutes(61));
        options.ClockAhead = TimeSpan.Zero;
        IsRight();
        clock.Observe(clock.GetTimestamp(), new Timestamp(DateTime.UtcNow, TimestampType.LogAppendTime));
        IsRight();
        Assert.Null(clock.Ahead);

        void IsRight() => Assert.InRange(clock.GetUtcNow() - DateTimeOffset.UtcNow, TimeSpan.FromSeconds(-3), TimeSpan.FromSeconds(3));
    }

    [Fact]
    public void A_late_acknowledgement_does_not_make_a_right_clock_wrong_and_a_time_of_the_writer_tells_nothing()
    {
        var clock = NewClock(new KafkaOptions());
        var aMinuteAgo = clock.GetTimestamp() - (60 * clock.TimestampFrequency);
        clock.Observe(aMinuteAgo, new Timestamp(DateTime.UtcNow.AddSeconds(-55), TimestampType.LogAppendTime));
        Assert.False(clock.IsCorrected);

        clock.Observe(clock.GetTimestamp(), new Timestamp(DateTime.UtcNow.AddHours(-1), TimestampType.CreateTime));
        Assert.False(clock.IsCorrected);
    }

    [Fact(Timeout = 60_000)]
    public async Task On_the_embedded_broker_the_time_is_the_machines()
    {
        Assert.SkipUnless(broker.IsEmbedded, TestBroker.NeedsEmbedded);
        await using var api = await ApiUnderTest.StartAsync(broker, await broker.NewPipelineAsync());

        var clock = api.Services.GetRequiredService<BrokerClock>();

        Assert.True(clock.Measured.IsCompleted);
        Assert.InRange(clock.GetUtcNow() - DateTimeOffset.UtcNow, TimeSpan.FromSeconds(-1), TimeSpan.FromSeconds(1));
    }

    private static BrokerClock NewClock(KafkaOptions options) =>
        new(new KafkaCluster(Options.Create(options), NullLogger<KafkaCluster>.Instance), Options.Create(options), NullLogger<BrokerClock>.Instance);

    private static async Task<IEnumerable<string>> WarningsAsync(ApiUnderTest api) =>
        await api.GetAsync("readyz") is (HttpStatusCode.OK, var body) && body.TryGetProperty("warnings", out var warnings) ? warnings.EnumerateArray().Select(warning => warning.GetString()!) : [];
}
