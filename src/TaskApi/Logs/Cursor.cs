using System.Globalization;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>
/// A place in a task's log: everything up to it was seen. It consists of facts in the log (attempt, line, stage of the attempt), so it is the same on
/// every replica, after a restart and in every transport. To clients it is opaque text.
/// </summary>
/// <param name="Seq">The last line of the attempt that was seen.</param>
/// <param name="Events">
/// One more than the offset of the last event that was seen; 0: none. Events are in the partition of the lines, so every replica has the same offsets.
/// </param>
/// <param name="StopSeen">Whether the stop request was seen. It comes from another topic, so its place among the lines can differ between replicas.</param>
internal readonly record struct Cursor(int Attempt, long Seq, Stage Stage, bool StopSeen = false, bool EndSeen = false, long Events = 0)
{
    public static readonly Cursor Start;

    /// <summary>Whether a line or a state at this place is new to a watcher that has seen everything up to <paramref name="seen"/>.</summary>
    public bool IsBeyond(Cursor seen) =>
        EndSeen
            ? !seen.EndSeen
            : Attempt > seen.Attempt || (Attempt == seen.Attempt && (Seq > seen.Seq || Stage > seen.Stage));

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Attempt}.{Seq}.{(int)Stage}{(Events > 0 ? "." : "")}{Events:#}{(StopSeen ? "s" : "")}{(EndSeen ? "e" : "")}");

    public static bool TryParse(ReadOnlySpan<char> text, out Cursor cursor)
    {
        cursor = default;
        var endSeen = text.EndsWith("e");
        if (endSeen)
            text = text[..^1];
        var stopSeen = text.EndsWith("s");
        if (stopSeen)
            text = text[..^1];
        Span<Range> parts = stackalloc Range[5];
        var events = 0L;
        var count = text.Split(parts, '.');
        if (count is not (3 or 4)
            || !TryParseNumber(text[parts[0]], int.MaxValue, out var attempt)
            || !TryParseNumber(text[parts[1]], long.MaxValue, out var seq)
            || !TryParseNumber(text[parts[2]], (long)Stage.Requeued, out var stage)
            || (count == 4 && !TryParseNumber(text[parts[3]], long.MaxValue, out events)))
            return false;
        cursor = new Cursor((int)attempt, seq, (Stage)stage, stopSeen, endSeen, events);
        return true;
    }

    private static bool TryParseNumber(ReadOnlySpan<char> text, long most, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= most;
}

/// <summary>How far an attempt is, in the order of its records. Attempt 0 is the time before the first attempt.</summary>
internal enum Stage
{
    None,
    Begun,
    Running,
    Stopping,
    GivenBack,

    /// <summary>
    /// The committed state says that the task waits. Watchers get this after all lines of the attempt, so its place is the same on every replica.
    /// </summary>
    Waiting,

    /// <summary>It is in its queue again.</summary>
    Requeued,
}
