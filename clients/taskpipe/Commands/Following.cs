using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Watches tasks for a person or a program.</summary>
/// <summary>Watches a task to its end and returns its exit code.</summary>
internal static class Following
{
    public static async Task<int> WatchAsync(Session session, string taskId, IAsyncEnumerable<WatchEvent> events, CancellationToken cancellationToken)
    {
        var screen = session.Screen;
        var printer = new EventPrinter(screen);
        EndEvent? end = null;
        try
        {
            await PrintAllAsync(screen, events, next =>
            {
                end = next as EndEvent;
                Print(screen, next, printer.Print);
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            screen.SetFooter("");
            screen.Flush();
            throw new CommandException($"stopped watching {taskId}, which continues; 'taskpipe stop {taskId}' ends it");
        }
        if (end is not null)
            return ExitCodes.Of(end.Status, end.ExitCode);
        var detail = await session.Client.GetAsync(taskId, cancellationToken: cancellationToken);   // the watch began after the task's end
        return ExitCodes.Of(detail.Status, detail.ExitCode);
    }

    /// <summary>Watches many tasks until Ctrl+C.</summary>
    public static async Task<int> WatchAllAsync(Session session, ViewOptions options, CancellationToken cancellationToken)
    {
        var screen = session.Screen;
        var printer = new ViewPrinter(screen);
        try
        {
            await PrintAllAsync(screen, session.Client.WatchAllAsync(options, cancellationToken), next => Print(screen, next, printer.Print));
            return ExitCodes.Succeeded;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            screen.Flush();
            throw new CommandException("stopped watching");
        }
    }

    /// <summary>Prints the items of a source, and flushes the screen whenever the next item is not there yet.</summary>
    public static async Task PrintAllAsync<T>(Screen screen, IAsyncEnumerable<T> source, Action<T> print)
    {
        await using var items = source.GetAsyncEnumerator();
        while (true)
        {
            var hasNext = items.MoveNextAsync();
            if (!hasNext.IsCompleted)
                screen.Flush();
            if (!await hasNext)
                break;
            print(items.Current);
        }
    }

    /// <summary>Prints the items with a heading above the first one.</summary>
    public static async Task PrintTableAsync<T>(Screen screen, string heading, IAsyncEnumerable<T> source, Action<T> print)
    {
        var isEmpty = true;
        await PrintAllAsync(screen, source, item =>
        {
            if (isEmpty && !screen.AsJson)
                screen.OutLine(Paint.Aside(heading, screen.OutHasColour));
            isEmpty = false;
            print(item);
        });
        if (isEmpty)
            screen.Say("Nothing found");
    }

    /// <summary>Reports a task that was just submitted, and watches it if requested.</summary>
    public static async Task<int> AnswerAsync(Session session, SubmittedTask task, bool isWatched, CancellationToken cancellationToken)
    {
        if (isWatched)
        {
            session.Screen.Say($"task {task.TaskId}");
            return await WatchAsync(session, task.TaskId, session.Client.WatchAsync(task, Options(session), cancellationToken), cancellationToken);
        }
        if (session.Screen.AsJson)
            session.Screen.Json(task, TaskpipeJson.Readable.SubmittedTask);
        else
            session.Screen.OutLine(task.TaskId);
        return ExitCodes.Succeeded;
    }

    private static void Print(Screen screen, WatchEvent next, Action<WatchEvent> forPeople)
    {
        if (screen.AsJson)
            screen.Json(next.Json);
        else
            forPeople(next);
    }

    public static WatchOptions Options(Session session) => new()
    {
        OnConnectionLost = loss =>
        {
            session.Screen.Say($"taskpipe: connection lost ({loss.Reason}); reconnecting");
            session.Screen.Flush();
        },
    };
}
