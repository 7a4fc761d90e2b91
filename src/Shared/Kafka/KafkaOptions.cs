using System.ComponentModel.DataAnnotations;

namespace TaskPipeline.Shared.Kafka;

public sealed class KafkaOptions
{
    public const string Section = "Kafka";

    /// <summary>Bootstrap servers, as <c>host:port,host:port</c>.</summary>
    [Required(ErrorMessage = "Kafka:BootstrapServers is missing: set a broker as host:port (./build up starts one)")]
    public string BootstrapServers { get; set; } = "";

    /// <summary>Prefix of every topic, group and transactional id, so that several pipelines can share a cluster.</summary>
    [RegularExpression("^[A-Za-z0-9._-]{0,100}$", ErrorMessage = "Kafka:TopicPrefix may contain only letters, digits, dot, underscore and dash")]
    public string TopicPrefix { get; set; } = "";

    /// <summary>Lanes: partitions of <c>tasks</c>, <c>task-progress</c> and <c>task-state</c>. Fixed for the life of the topics.</summary>
    [Range(1, 1000, ErrorMessage = "Kafka:Partitions must be 1 to 1000")]
    public int Partitions { get; set; } = 24;

    /// <summary>For topics that are created; -1 uses the broker's default.</summary>
    [Range(-1, 9, ErrorMessage = "Kafka:ReplicationFactor must be -1 (the broker's default) to 9")]
    public short ReplicationFactor { get; set; } = -1;

    /// <summary>
    /// The consumer group's session timeout: how long a killed worker's tasks wait for another worker. By default brokers refuse less than 6 s.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:30:00", ErrorMessage = "Kafka:SessionTimeout must be 1 s to 30 min")]
    public TimeSpan SessionTimeout { get; set; } = TimeSpan.FromSeconds(6);

    /// <summary>A worker whose loop has not polled for so long is removed from the group. Long tasks do not matter: the loop polls while they run.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00", ErrorMessage = "Kafka:MaxPollInterval must be 1 s to 1 day")]
    public TimeSpan MaxPollInterval { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long <c>tasks</c> keeps a record. The record of an unended task is written again in time.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00", ErrorMessage = "Kafka:TaskRetention must be 1 s to 10 years")]
    public TimeSpan TaskRetention { get; set; } = TimeSpan.FromDays(14);

    /// <summary>How long <c>task-progress</c> keeps a record, and so how long output can be read.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00", ErrorMessage = "Kafka:ProgressRetention must be 1 s to 10 years")]
    public TimeSpan ProgressRetention { get; set; } = TimeSpan.FromDays(3);

    /// <summary>How long <c>tasks-dlq</c> keeps a record.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00", ErrorMessage = "Kafka:DeadLetterRetention must be 1 s to 10 years")]
    public TimeSpan DeadLetterRetention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>
    /// Where processes note which record they are handling, so that a record at which three of them have died within a minute is skipped. The folder
    /// must outlive the processes. Empty: disabled, and such a record kills them again and again.
    /// </summary>
    public string? HandlingDirectory { get; set; }

    /// <summary>For tests: a text in a record at which a process that reads it dies as by <c>kill -9</c>.</summary>
    public string CrashOn { get; set; } = "";

    /// <summary>Path of a librdkafka to use instead of those that come with the program.</summary>
    public string? LibraryPath { get; set; }

    /// <summary>For tests: how far this process's clock is ahead of its machine's.</summary>
    public TimeSpan ClockAhead { get; set; }

    /// <summary>Further librdkafka settings for every client, such as <c>security.protocol</c> and <c>sasl.*</c>.</summary>
    public Dictionary<string, string> Properties { get; } = [];
}
