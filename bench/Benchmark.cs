namespace TaskPipeline.Bench;

/// <summary>One bench, in one file of <c>Benches/</c>, listed in <see cref="BenchProgram"/>. It measures floors and subjects in the same run.</summary>
internal abstract class Benchmark
{
    /// <summary>The options of every bench.</summary>
    private static readonly BenchOption[] Common =
    [
        new("--kafka", "HOST:PORT", "", "the broker, or 'embedded'; default: KAFKA_BOOTSTRAP_SERVERS, otherwise one that is started for the run"),
    ];

    public abstract string Name { get; }

    /// <summary>What it measures, in one line.</summary>
    public abstract string Summary { get; }

    public IReadOnlyList<BenchOption> Options => [.. Own, .. Common];

    protected virtual IReadOnlyList<BenchOption> Own => [];

    public abstract Task<IReadOnlyList<Figure>> RunAsync(BenchRun run);
}

internal sealed record BenchOption(string Name, string Value, string Default, string Summary);

/// <summary>The context of a bench: its options, its progress messages, and the token that stops it.</summary>
internal sealed class BenchRun(Benchmark bench, BenchArguments arguments, CancellationToken stop)
{
    public BenchArguments Arguments => arguments;

    public CancellationToken Stop => stop;

    /// <summary>A measured value is wrong: the figures are printed, and the bench fails.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Prints progress to standard error, separate from the figures.</summary>
    public void Say(string text) => Console.Error.WriteLine($"{bench.Name}: {text}");
}

/// <summary>The bench cannot run here, or its measurement does not count; the message says why.</summary>
internal sealed class BenchException(string message) : Exception(message);
