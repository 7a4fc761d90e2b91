namespace TaskPipeline.TaskWorker.Processes;

/// <summary>Something for an agent's stdin.</summary>
/// <param name="Text">Null: nothing to write.</param>
/// <param name="Closes">Nothing follows.</param>
/// <param name="Done">Told whether the agent has it; false: it reads no more.</param>
internal sealed record TypedInput(string? Text, bool Closes, Action<bool> Done);
