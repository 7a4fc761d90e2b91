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
        HelpName = "ID";   // otherwise the help lists what a shell would complete, and asks the server for it
        CompletionSources.Add(context => Suggestions.Of(context, Latest));
    }

    private static IAsyncEnumerable<string> Latest(TaskPipelineClient client, ParseResult parsed) => client.ListAsync().Select(task => task.TaskId);
}
