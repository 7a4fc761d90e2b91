using System.CommandLine;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>A command with one line about it in lists of commands, and the details in its own help only.</summary>
internal sealed class DetailedCommand(string name, string description, string details) : Command(name, description)
{
    public void AddDetails() => Description += $"{Environment.NewLine}{Environment.NewLine}{details}";
}
