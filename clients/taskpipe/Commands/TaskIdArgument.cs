using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>The id of a task; shells complete it with the latest tasks.</summary>
internal sealed class TaskIdArgument : Argument<string>
{
    public TaskIdArgument()
        : base("ID")
    {
        Description = "Id of the task";
        CompletionSources.Add(context => Suggestions.Of(context, Latest));
    }

    private static IAsyncEnumerable<string> Latest(TaskPipelineClient client, ParseResult parsed) => client.ListAsync().Select(task => task.TaskId);
}
