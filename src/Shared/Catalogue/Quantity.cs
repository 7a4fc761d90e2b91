using System.Globalization;
using System.Text.RegularExpressions;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>Parses durations (<c>250ms 90s 10m 6h 1d</c>) and sizes (<c>512 64KiB 256MiB 1GiB</c>).</summary>
public static partial class Quantity
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(365_000);   // so that now plus a duration is still a valid date

    public static TimeSpan? Duration(string text) => DurationPattern().Match(text) is not { Success: true } match
        ? null
        : TimeSpan.FromMilliseconds(Math.Min(Longest.TotalMilliseconds, Number(match) * match.Groups[2].Value switch
        {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => 86_400_000.0,
        }));

    public static long? Bytes(string text) =>
        SizePattern().Match(text) is not { Success: true } match ? null : (long)(Number(match) * match.Groups[2].Value switch
    {
        "KiB" => 1L << 10,
        "MiB" => 1L << 20,
        "GiB" => 1L << 30,
        _ => 1,
    });

    private static double Number(Match match) => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\A(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)\z")]
    private static partial Regex DurationPattern();

    [GeneratedRegex(@"\A(\d{1,12}(?:\.\d{1,3})?)(KiB|MiB|GiB)?\z")]
    private static partial Regex SizePattern();
}
