using System.CommandLine;
using System.CommandLine.Completions;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Completions that the server knows. If the server does not answer quickly, there are none.</summary>
internal static class Suggestions
{
    private const int Most = 50;
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(2);

    public static IEnumerable<string> Of(CompletionContext context, Func<TaskPipelineClient, ParseResult, IAsyncEnumerable<string>> source) =>
        AskAsync(context.ParseResult, source).GetAwaiter().GetResult();   // the library has no asynchronous completions

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
