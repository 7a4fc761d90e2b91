namespace TaskPipeline.Taskpipe.Printing;

internal static class Ages
{
    /// <summary>An age in its largest unit: <c>42s</c>, <c>17m</c>, <c>5h</c>, <c>3d</c>.</summary>
    public static string Of(TimeSpan age) => age switch
    {
        { TotalSeconds: < 0 } => "0s",
        { TotalSeconds: < 60 } => $"{(int)age.TotalSeconds}s",
        { TotalMinutes: < 60 } => $"{(int)age.TotalMinutes}m",
        { TotalHours: < 48 } => $"{(int)age.TotalHours}h",
        _ => $"{(int)age.TotalDays}d",
    };
}
