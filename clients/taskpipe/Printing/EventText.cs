using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>Details of a status, for a person.</summary>
internal static class EventText
{
    public static string Of(StateEvent state)
    {
        var more = new List<string>();
        if (state.Attempt > 1)
            more.Add($"attempt {state.Attempt}");
        if (state.Worker is not null)
            more.Add($"on {state.Worker}");
        if (state.RequestedBy is not null)
            more.Add($"requested by {state.RequestedBy}");
        if (state.Reason is not null)
            more.Add(state.Reason);
        if (state.DueAt is { } dueAt)
            more.Add($"until {dueAt.LocalDateTime:yyyy-MM-dd HH:mm:ss}");
        return string.Join(", ", more);
    }

    /// <param name="end">The end of a task.</param>
    /// <param name="proof">What is known of its lines.</param>
    public static string Of(EndEvent end, string proof = "")
    {
        var how = end.Signal is { } signal ? $" by {signal}" : end.ExitCode is { } code ? $" with exit code {code}" : "";
        var why = end.Reason is null or "exit_code" ? "" : $", {end.Reason}";
        var error = end is { Error: { Length: > 0 } text, Status.Word: not "succeeded" } ? $": {Paint.Plain(text.Split('\n')[^1])}" : "";
        return how + why + proof + error;
    }
}
