using System.Text;

namespace TaskPipeline.AgentCli.Summarising;

/// <summary>Lets the model summarise the findings, and prints its words as they arrive.</summary>
internal static class ModelSummary
{
    // The findings of many wide tabs would not fit into a small model's context window.
    private const int LongestMaterial = 24_000;

    private const string Instruction = """
        You summarise the statistics of imported spreadsheets for the person who asked the question.
        Use only what is in the findings. Answer the question first, then name what deserves attention. Write short Markdown without headings.
        """;

    /// <summary>Null if no model is configured, or if it failed; then a line on stderr says why.</summary>
    public static async Task<string?> TryWriteAsync(string question, string findings, CancellationToken cancellationToken)
    {
        try
        {
            if (ModelEndpoint.FromEnvironment() is not { } endpoint)
                return null;
            Console.WriteLine($"Summary by {endpoint.Model}:");
            return await WriteAsync(endpoint, question, findings, cancellationToken);
        }
        catch (ModelException exception)
        {
            Complain(exception.Message.ReplaceLineEndings(" "));
            return null;
        }
    }

    private static async Task<string> WriteAsync(ModelEndpoint endpoint, string question, string findings, CancellationToken cancellationToken)
    {
        var material = findings.Length <= LongestMaterial ? findings : findings[..LongestMaterial] + "\n(cut off here)";
        using var model = new ChatModel(endpoint);
        var summary = new StringBuilder();
        try
        {
            await foreach (var token in model.TokensAsync(Instruction, $"Question:\n{question}\n\nFindings:\n{material}", cancellationToken))
            {
                Console.Write(token);
                summary.Append(token);
            }
        }
        finally
        {
            if (summary.Length > 0)
                Console.WriteLine();
        }

        return summary.Length > 0 ? summary.ToString() : throw new ModelException("it said nothing");
    }

    private static void Complain(string reason)
    {
        Console.Error.WriteLine($"agent-cli: warning: the model wrote no summary, so the report has none: {reason}");
    }
}
