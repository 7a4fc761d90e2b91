using System.Diagnostics.Metrics;
using Confluent.Kafka;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.Logs;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Settings;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Api;

public sealed class HealthTests(TestBroker broker)
{
    [Fact(Timeout = 60_000)]
    public async Task A_tail_that_dies_ends_the_process_and_says_so()
    {
        var prefix = await broker.NewPipelineAsync();
        var cluster = await broker.ConnectAsync(prefix);
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var skipped = new SkippedRecords(services.GetRequiredService<IMeterFactory>(), NullLogger<SkippedRecords>.Instance);
        // A table with fewer lanes than the topics have: the first record beyond it is a bug, as far as the tail can tell.
        var narrow = new KafkaCluster(Options.Create(new KafkaOptions { BootstrapServers = broker.BootstrapServers, TopicPrefix = prefix, Partitions = 1 }), NullLogger<KafkaCluster>.Instance);
        var lifetime = new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance);
        var clock = new BrokerClock(cluster, Options.Create(new KafkaOptions()), NullLogger<BrokerClock>.Instance);
        clock.Observe(clock.GetTimestamp(), new Timestamp(DateTime.UtcNow, TimestampType.LogAppendTime));
        var changes = new Changes(new StateFeed());
        var table = new TaskTable(narrow, new Schedule(new ReplicaDelay(), TimeProvider.System), new LogMemory(Options.Create(new ApiOptions())), changes, skipped);
        var topics = new TopicWatch(cluster, TimeProvider.System, NullLogger<TopicWatch>.Instance);
        using var tails = new KafkaTails(
            cluster, table, changes, new WorkerTable(), new DeadLetterTable(), topics, skipped, lifetime, clock, NullLogger<KafkaTails>.Instance);
        var exitCode = Environment.ExitCode;
        try
        {
            await tails.StartAsync(TestContext.Current.CancellationToken);
            await Eventually.TrueAsync("the tails have caught up", () => tails.NotReadyBecause is null, TimeSpan.FromSeconds(20));
            Assert.Null(tails.Failure);
            using var worker = new ScriptedWorker(cluster);
            await worker.WriteAsync(cluster.Topics.Tasks, 3, "x", """{"task_id":"x","type":"echo"}"""u8.ToArray());

            await Eventually.TrueAsync("the process is asked to end", () => lifetime.ApplicationStopping.IsCancellationRequested, TimeSpan.FromSeconds(20));

            Assert.Equal("a tail has died", tails.Failure);
            Assert.Equal("a tail has died", tails.NotReadyBecause);
            Assert.NotEqual(0, Environment.ExitCode);
        }
        finally
        {
            Environment.ExitCode = exitCode;
            await tails.StopAsync(TestContext.Current.CancellationToken);
        }
    }
}
