using System.CommandLine;
using System.CommandLine.Completions;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>What a shell may complete a word with, as the server knows it. A server that does not answer at once has nothing to suggest.</summary>
internal static class Suggestions
{
    private const int Most = 50;
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(2);

    public static IEnumerable<string> Of(CompletionContext context, Func<TaskPipelineClient, ParseResult, IAsyncEnumerable<string>> source) =>
        AskAsync(context.ParseResult, source).GetAwaiter().GetResult();   // the library asks for words, not for a task

    private static async Task<List<string>> AskAsync(ParseResult parsed, Func<TaskPipelineClient, ParseResult, IAsyncEnumerable<string>> source)
    {
        try
        {
            using var client = Session.Connect(parsed);
            using var limit = new CancellationTokenSource(MaxWait);
            return await source(client, parsed).Distinct().Take(Most).ToListAsync(limit.Token);
        }
        catch (Exception exception) when (exception is TaskPipelineException or CommandException or OperationCanceledException)
        {
            return [];
        }
    }
}
