using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Logs;

/// <summary>A line of plain text, or part of one.</summary>
/// <param name="Place">The place after it.</param>
internal readonly record struct TextPiece(Cursor Place, string Text, OutputStream Stream = OutputStream.System, bool IsFirst = true, bool IsLast = true);
