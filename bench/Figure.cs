namespace TaskPipeline.Bench;

/// <summary>One measured number: the median of its rounds and, if there is one, the median of the floor that was measured between them.</summary>
/// <param name="Least">Minimum of the rounds.</param>
/// <param name="Most">Maximum of the rounds.</param>
internal sealed record Figure(string Metric, double Value, string Unit, double Least, double Most)
{
    public double? Baseline { get; private init; }

    /// <summary>Description of the baseline.</summary>
    public string? Floor { get; private init; }

    public double? Ratio => Baseline is > 0 ? Value / Baseline : null;

    public static Figure Of(string metric, string unit, IReadOnlyCollection<double> rounds) =>
        new(metric, Statistics.Median(rounds), unit, rounds.Min(), rounds.Max());

    public static Figure Of(string metric, string unit, IReadOnlyCollection<double> rounds, IReadOnlyCollection<double> baseline, string floor) =>
        Of(metric, unit, rounds) with { Baseline = Statistics.Median(baseline), Floor = floor };
}

internal static class Statistics
{
    public static double Median(IReadOnlyCollection<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>The percentile: the smallest value that <paramref name="share"/> of the values do not exceed.</summary>
    public static double Percentile(IReadOnlyCollection<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        return sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
    }
}
