using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>A task; shells complete it with the latest ones.</summary>
internal sealed class TaskIdArgument : Argument<string>
{
    public TaskIdArgument()
        : base("ID")
    {
        Description = "The task";
        CompletionSources.Add(context => Suggestions.Of(context, Latest));
    }

    private static IAsyncEnumerable<string> Latest(TaskPipelineClient client, ParseResult parsed) => client.ListAsync().Select(task => task.TaskId);
}
