namespace TaskPipeline.Bench;

/// <summary>One bench, in one file of <c>Benches/</c>, listed in <see cref="BenchProgram"/>. It measures floors and subjects in the same run.</summary>
internal abstract class Benchmark
{
    /// <summary>Every bench has these.</summary>
    private static readonly BenchOption[] Common =
    [
        new("--kafka", "HOST:PORT", "", "the broker, or 'embedded'; default: KAFKA_BOOTSTRAP_SERVERS, else one that is started for the run"),
    ];

    public abstract string Name { get; }

    /// <summary>One line: what it measures.</summary>
    public abstract string Summary { get; }

    public IReadOnlyList<BenchOption> Options => [.. Own, .. Common];

    protected virtual IReadOnlyList<BenchOption> Own => [];

    public abstract Task<IReadOnlyList<Figure>> RunAsync(BenchRun run);
}

internal sealed record BenchOption(string Name, string Value, string Default, string Summary);

/// <summary>What a bench is given: its options, a place to say how far it is, and the wish to stop.</summary>
internal sealed class BenchRun(Benchmark bench, BenchArguments arguments, CancellationToken stop)
{
    public BenchArguments Arguments => arguments;

    public CancellationToken Stop => stop;

    /// <summary>What was measured is not as it must be: the figures are printed, and the bench fails.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Progress is for people who wait, and stays out of the figures.</summary>
    public void Say(string text) => Console.Error.WriteLine($"{bench.Name}: {text}");
}

/// <summary>The bench cannot be run here, or what it measured does not count; the message says why.</summary>
internal sealed class BenchException(string message) : Exception(message);
