using System.CommandLine;
using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>The server and the screen of a command.</summary>
internal sealed class Session : IDisposable
{
    private const string UrlVariable = "TASKPIPE_URL";
    private const string UsualUrl = "http://127.0.0.1:8080";

    public static Option<string?> Url { get; } = new("--url")
    {
        Description = $"The server. Default: {UrlVariable}, otherwise {UsualUrl}",
        HelpName = "URL",
        Recursive = true,
    };

    public static Option<bool> Json { get; } = new("--json") { Description = "Print JSON objects, one per line", Recursive = true };

    private Session(ParseResult parsed)
    {
        Client = Connect(parsed, Clock);
        Screen = new Screen(parsed.GetValue(Json));
    }

    public TaskPipelineClient Client { get; }

    public Screen Screen { get; }

    public ServerClock Clock { get; } = new();

    public static async Task<int> RunAsync(ParseResult parsed, Func<Session, Task<int>> work)
    {
        using var session = new Session(parsed);
        var exitCode = await work(session);
        session.Screen.Flush();   // reports a broken pipe, which Dispose ignores
        return exitCode;
    }

    public static TaskPipelineClient Connect(ParseResult parsed, ServerClock? clock = null)
    {
        var given = parsed.GetValue(Url) ?? Environment.GetEnvironmentVariable(UrlVariable);
        var url = string.IsNullOrEmpty(given) ? UsualUrl : given;
        return Uri.TryCreate(url, UriKind.Absolute, out var address) && address.Scheme is ("http" or "https")
            ? clock is null ? new TaskPipelineClient(address) : new TaskPipelineClient(address, clock.Http)
            : throw CommandException.Usage($"'{url}' is not a server address: it must begin with http:// or https://");
    }

    public void Dispose()
    {
        Client.Dispose();
        Clock.Dispose();
        Screen.Dispose();
    }
}
