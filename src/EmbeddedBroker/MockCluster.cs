using System.Runtime.InteropServices;
using Confluent.Kafka;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.EmbeddedBroker;

/// <summary>librdkafka's mock cluster: the Kafka protocol on loopback, with everything in memory. It lives as long as the process.</summary>
internal sealed class MockCluster
{
    private const int EveryBroker = -1;
    private const int FirstBroker = 1;

    private readonly nint _cluster;
    private readonly int _brokers;

    public MockCluster(int brokers, int initialRebalanceDelay)
    {
        _brokers = brokers;
        _cluster = Librdkafka.NewCluster(Librdkafka.NewClient(), brokers);
        if (_cluster == 0)
            throw new InvalidOperationException("librdkafka could not start its mock cluster");
        Librdkafka.SetController(_cluster, FirstBroker);    // there is none by default, and clients wait for one before they describe the cluster
        Librdkafka.SetInitialRebalanceDelay(_cluster, initialRebalanceDelay);   // the library's default is 3 s
        BootstrapServers = Marshal.PtrToStringUTF8(Librdkafka.Bootstraps(_cluster)) ?? "";
    }

    public string BootstrapServers { get; }

    public void CreateTopic(string topic, int partitions) =>
        Check(Librdkafka.CreateTopic(_cluster, topic, partitions, _brokers), $"topic {topic} could not be created");

    /// <summary>Creates a topic before its first use, if it does not have the library's default of 4 partitions.</summary>
    public void CreatePipeline(string prefix, int lanes)
    {
        foreach (var topic in new Topics(new KafkaOptions { TopicPrefix = prefix, Partitions = lanes }).All)
            CreateTopic(topic.Name, topic.Partitions);
    }

    /// <summary>Answers the next <paramref name="count"/> requests of this kind with the error.</summary>
    public void PushErrors(short apiKey, ErrorCode error, int count)
    {
        var errors = new int[count];
        Array.Fill(errors, (int)error);
        Librdkafka.PushRequestErrors(_cluster, apiKey, (nuint)count, errors);
    }

    /// <summary>Cuts all connections and accepts no new ones until <see cref="Up"/>. Records are kept.</summary>
    public void Down() => Check(Librdkafka.SetDown(_cluster, EveryBroker), "the brokers could not be taken down");

    public void Up() => Check(Librdkafka.SetUp(_cluster, EveryBroker), "the brokers could not be brought up");

    public void SetRoundTripTime(int milliseconds) =>
        Check(Librdkafka.SetRoundTripTime(_cluster, EveryBroker, milliseconds), "the round trip time could not be set");

    private static void Check(int error, string what)
    {
        if (error != 0)
            throw new CommandException($"{what}: {Librdkafka.NameOf(error)}");
    }
}
