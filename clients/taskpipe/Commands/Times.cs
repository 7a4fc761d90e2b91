using System.Globalization;
using System.Text.RegularExpressions;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Parses durations and times of options.</summary>
internal static partial class Times
{
    public static TimeSpan? Duration(string option, string? text)
    {
        if (text is null)
            return null;
        var match = DurationPattern().Match(text);
        if (!match.Success)
            throw CommandException.Usage($"{option} takes a duration such as 90s, 10m or 6h, not '{text}'");
        var number = double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
        return match.Groups[2].Value switch
        {
            "ms" => TimeSpan.FromMilliseconds(number),
            "m" => TimeSpan.FromMinutes(number),
            "h" => TimeSpan.FromHours(number),
            "d" => TimeSpan.FromDays(number),
            _ => TimeSpan.FromSeconds(number),
        };
    }

    public static DateTimeOffset? Time(string option, string? text)
    {
        if (text is null)
            return null;
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time)
            ? time
            : throw CommandException.Usage($"{option} takes a time such as 2026-03-01T09:30:00Z, not '{text}'");
    }

    [GeneratedRegex(@"\A(\d{1,8}(?:\.\d{1,3})?)(ms|s|m|h|d)\z")]
    private static partial Regex DurationPattern();
}
