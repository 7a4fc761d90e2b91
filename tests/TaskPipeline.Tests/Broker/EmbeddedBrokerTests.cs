using System.Runtime.InteropServices;
using Confluent.Kafka;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Broker;

public sealed class EmbeddedBrokerTests
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(10);

    [Fact(Timeout = 30_000)]
    public async Task It_takes_requests_when_it_says_ready_and_has_the_pipelines_topics()
    {
        await using var process = ChildProcess.Start("EmbeddedBroker", ["--topic-prefix", "demo.", "--partitions", "7"]);
        var ready = await process.WaitForLineAsync("ready ");

        using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = ready["ready ".Length..] }).Build();
        var topics = admin.GetMetadata(MaxWait).Topics.ToDictionary(topic => topic.Topic, topic => topic.Partitions.Count);

        Assert.Equal(7, topics["demo.tasks"]);
        Assert.Equal(7, topics["demo.task-progress"]);
        Assert.Equal(1, topics["demo.task-control"]);
    }

    [Fact(Timeout = 30_000)]
    public async Task It_ends_with_its_standard_input_so_that_it_never_outlives_its_parent()
    {
        await using var process = ChildProcess.Start("EmbeddedBroker");
        await process.WaitForLineAsync("ready ");

        process.CloseInput();

        Assert.Equal(0, await process.WaitForExitAsync(MaxWait));
    }

    [Theory(Timeout = 30_000)]
    [InlineData(PosixSignal.SIGTERM)]
    [InlineData(PosixSignal.SIGINT)]
    public async Task It_ends_on_a_signal(PosixSignal signal)
    {
        Assert.SkipWhen(signal == PosixSignal.SIGINT && ChildProcess.IgnoresInterrupt, "the tests run in the background of a shell, with interrupts ignored");
        await using var process = ChildProcess.Start("EmbeddedBroker");
        await process.WaitForLineAsync("ready ");

        process.Signal(signal);

        await process.WaitForExitAsync(MaxWait);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("topic one 3", "ok topic one")]
    [InlineData("topic one", "error unknown command")]
    [InlineData("topic one 0", "error 0 is not a number from 1 to 1000")]
    [InlineData("pipeline p. 2", "ok pipeline p.")]
    [InlineData("errors 0 NotLeaderForPartition 2", "ok 2 errors")]
    [InlineData("errors 0 -195 1", "ok 1 errors")]
    [InlineData("errors 0 Nonsense 1", "error Nonsense is not an error code")]
    [InlineData("rtt 5", "ok rtt 5")]
    [InlineData("down", "ok down")]
    [InlineData("up", "ok up")]
    [InlineData("help", "ok topic NAME PARTITIONS")]
    [InlineData("dance", "error unknown command")]
    public async Task Every_command_gets_one_line(string command, string answer)
    {
        await using var process = ChildProcess.Start("EmbeddedBroker");
        await process.WaitForLineAsync("ready ");

        await process.WriteLineAsync(command);
        await process.WriteLineAsync("quit");
        await process.WaitForExitAsync(MaxWait);

        Assert.StartsWith(answer, Assert.Single(process.Lines.Skip(1)), StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task An_option_that_does_not_exist_is_named_and_the_exit_code_is_2()
    {
        await using var process = ChildProcess.Start("EmbeddedBroker", ["--persist"]);

        Assert.Equal(2, await process.WaitForExitAsync(MaxWait));
        Assert.Contains("--persist", process.Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_record_written_while_the_broker_is_down_arrives_once_it_is_up_again()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        using var producer = cluster.OrderedProducer();
        var lane = new TopicPartition(cluster.Topics.Progress, 0);
        await producer.ProduceAsync(lane, new Message<byte[]?, byte[]?> { Value = [1] });

        await broker.SendAsync("down");
        var waiting = producer.ProduceAsync(lane, new Message<byte[]?, byte[]?> { Value = [2] });
        using (var hurried = cluster.RequestProducer(TimeSpan.FromMilliseconds(300)))
            await Assert.ThrowsAsync<ProduceException<byte[]?, byte[]?>>(() => hurried.ProduceAsync(lane, new Message<byte[]?, byte[]?> { Value = [3] }));
        Assert.False(waiting.IsCompleted);
        await broker.SendAsync("up");

        Assert.Equal(1, (await waiting.WaitAsync(MaxWait)).Offset.Value);
    }

    [Fact(Timeout = 60_000)]
    public async Task Pushed_errors_meet_the_next_requests_and_the_ordered_producer_gets_over_them()
    {
        await using var broker = await TestBroker.StartOwnEmbeddedAsync();
        var cluster = await broker.ConnectAsync(await broker.NewPipelineAsync());
        using var producer = cluster.OrderedProducer();
        var lane = new TopicPartition(cluster.Topics.Progress, 0);

        await broker.SendAsync($"errors 0 {nameof(ErrorCode.NotEnoughReplicas)} 3");
        var reports = await Task.WhenAll(Enumerable.Range(0, 20).Select(number => producer.ProduceAsync(lane, new Message<byte[]?, byte[]?> { Value = [(byte)number] })));

        Assert.Equal(Enumerable.Range(0, 20).Select(number => (long)number), reports.Select(report => report.Offset.Value));
    }
}
