using System.Text.Json;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Output;
using TaskPipeline.TaskWorker.Processes;

namespace TaskPipeline.TaskWorker.Attempts;

/// <summary>What an agent's end means for its attempt, from its exit, its task's type and its reported result.</summary>
internal static class Ending
{
    /// <summary>A SIGKILL that did not come from this worker is not the agent's own end, unless its type gives it a meaning.</summary>
    /// <returns>Why the attempt is lost; null: it is not lost.</returns>
    public static string? WhyLost(AgentExit exit, RetryPolicy retry, Lease? lease) => exit switch
    {
        not { Reason: EndReason.ExitCode, Signal: "SIGKILL" } => null,
        _ when lease is { HasLapsed: true } => "its worker was too slow to renew its lease",
        _ when retry.Names(exit.ExitCode, exit.Signal) => null,
        _ => "another process killed its agent (SIGKILL)",
    };

    /// <summary>If a limit ends an agent that has already reported its result, the result decides how the attempt ended. Null: this does not apply.</summary>
    public static EndReason? DecidedBy(AgentNotes said, AgentExit exit) => exit.Reason switch
    {
        _ when !(said.FirstResultAt <= exit.EndAt) => null,
        EndReason.Result or EndReason.TimeLimit or EndReason.Deadline or EndReason.SilenceLimit or EndReason.OutputLimit or EndReason.ProcessLimit
            or EndReason.DiskLimit or EndReason.MemoryLimit => said.IsError ? EndReason.ResultError : EndReason.Result,
        _ => null,
    };

    /// <summary>The text of a result that is an error; null: none.</summary>
    public static string? ErrorIn(JsonElement? result) =>
        result is { ValueKind: JsonValueKind.Object } json && json.TryGetProperty("text", out var text)
        && text.ValueKind == JsonValueKind.String && text.GetString() is { Length: > 0 } error ? error : null;

    /// <param name="tail">The last lines of its output.</param>
    public static string? Explain(AgentExit exit, AttemptOrder order, string tail) => exit.Reason switch
    {
        EndReason.TimeLimit => $"it ran longer than its limit of {order.Type.TimeLimit}",
        EndReason.Deadline => $"it had not ended by {order.Submission.Deadline:O}",
        EndReason.OutputLimit => $"it printed more than its limit of {order.Type.OutputLines} lines or {order.Type.OutputBytes} bytes",
        EndReason.SilenceLimit => $"it printed nothing for longer than its limit of {order.Type.SilenceLimit}",
        EndReason.ProcessLimit => $"it had more processes than its limit of {order.Type.ProcessLimit}",
        EndReason.DiskLimit => $"its workspace held more than its limit of {order.Type.DiskLimit} bytes",
        EndReason.MemoryLimit => "the kernel killed it because memory had run out",
        EndReason.ExitCode when exit.ExitCode != 0 => tail.Length > 0 ? tail : null,
        _ => null,
    };
}
