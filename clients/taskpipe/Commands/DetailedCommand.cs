using System.CommandLine;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>A command that has one line in lists of commands, and the details only in its own help.</summary>
internal sealed class DetailedCommand(string name, string description, string details) : Command(name, description)
{
    public void AddDetails() => Description += $"{Environment.NewLine}{Environment.NewLine}{details}";
}
