using System.Globalization;

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>
/// Count, mean, spread and extremes of numbers. The spread is the sum of squared distances from the mean, which stays exact for large numbers.
/// </summary>
internal sealed class NumberProfile
{
    private const int KeptExtremes = 3;

    public long Count { get; set; }

    public double Mean { get; set; }

    public double SquaredDistances { get; set; }

    public List<NumberSample> Smallest { get; set; } = [];

    public List<NumberSample> Largest { get; set; } = [];

    public double Deviation => Count < 2 ? 0 : Math.Sqrt(SquaredDistances / (Count - 1));

    public void Add(int row, double value)
    {
        Count++;
        var distance = value - Mean;
        Mean += distance / Count;
        SquaredDistances += distance * (value - Mean);
        if (Smallest.Count < KeptExtremes || value < Smallest[^1].Value)
            Smallest = [.. Smallest.Append(new NumberSample(row, value)).OrderBy(sample => sample.Value).Take(KeptExtremes)];
        if (Largest.Count < KeptExtremes || value > Largest[^1].Value)
            Largest = [.. Largest.Append(new NumberSample(row, value)).OrderByDescending(sample => sample.Value).Take(KeptExtremes)];
    }

    public void Merge(NumberProfile other)
    {
        if (other.Count == 0)
            return;
        var (count, distance) = (Count + other.Count, other.Mean - Mean);
        Mean += distance * other.Count / count;
        SquaredDistances += other.SquaredDistances + (distance * distance * Count * other.Count / count);
        Count = count;
        Smallest = [.. Smallest.Concat(other.Smallest).OrderBy(sample => sample.Value).Take(KeptExtremes)];
        Largest = [.. Largest.Concat(other.Largest).OrderByDescending(sample => sample.Value).Take(KeptExtremes)];
    }
}

internal sealed record NumberSample(int Row, double Value)
{
    public string Text => Value.ToString("0.####", CultureInfo.InvariantCulture);
}
