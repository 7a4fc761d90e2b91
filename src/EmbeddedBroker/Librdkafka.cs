using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TaskPipeline.Shared.Kafka;

[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]

namespace TaskPipeline.EmbeddedBroker;

/// <summary>The mock cluster in librdkafka's C interface, which Confluent.Kafka does not expose.</summary>
internal static partial class Librdkafka
{
    private const string Library = KafkaLibrary.Name;
    private const int Producer = 0;
    private const int ErrorTextBytes = 512;

    /// <summary>A client handle; a mock cluster belongs to one.</summary>
    public static nint NewClient()
    {
        var configuration = NewConfiguration();
        Span<byte> error = stackalloc byte[ErrorTextBytes];
        if (SetConfiguration(configuration, "log_level", "3", error, (nuint)error.Length) != 0)
            throw new InvalidOperationException(Text(error));
        var client = New(Producer, configuration, error, (nuint)error.Length);
        return client != 0 ? client : throw new InvalidOperationException(Text(error));
    }

    public static string NameOf(int error) => Marshal.PtrToStringUTF8(ErrorToText(error)) ?? error.ToString();

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_cluster_new")]
    public static partial nint NewCluster(nint client, int brokers);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_cluster_bootstraps")]
    public static partial nint Bootstraps(nint cluster);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_set_controller_id")]
    public static partial void SetController(nint cluster, int broker);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_group_initial_rebalance_delay_ms")]
    public static partial void SetInitialRebalanceDelay(nint cluster, int milliseconds);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_topic_create", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateTopic(nint cluster, string topic, int partitions, int replicas);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_push_request_errors_array")]
    public static partial void PushRequestErrors(nint cluster, short apiKey, nuint count, ReadOnlySpan<int> errors);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_broker_set_down")]
    public static partial int SetDown(nint cluster, int broker);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_broker_set_up")]
    public static partial int SetUp(nint cluster, int broker);

    [LibraryImport(Library, EntryPoint = "rd_kafka_mock_broker_set_rtt")]
    public static partial int SetRoundTripTime(nint cluster, int broker, int milliseconds);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_new")]
    private static partial nint NewConfiguration();

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_set", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetConfiguration(nint configuration, string name, string value, Span<byte> error, nuint errorBytes);

    [LibraryImport(Library, EntryPoint = "rd_kafka_new")]
    private static partial nint New(int type, nint configuration, Span<byte> error, nuint errorBytes);

    [LibraryImport(Library, EntryPoint = "rd_kafka_err2name")]
    private static partial nint ErrorToText(int error);

    private static string Text(ReadOnlySpan<byte> bytes) => System.Text.Encoding.UTF8.GetString(bytes[..bytes.IndexOf((byte)0)]);

    [ModuleInitializer]
    internal static void Resolve() => KafkaLibrary.ResolveFor(typeof(Librdkafka).Assembly);
}
