namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Input for an agent's stdin.</summary>
/// <param name="Text">Null: nothing to write.</param>
/// <param name="Closes">Close stdin after it.</param>
/// <param name="Done">Called with whether the agent has it; false: the agent no longer reads.</param>
internal sealed record TypedInput(string? Text, bool Closes, Action<bool> Done);
