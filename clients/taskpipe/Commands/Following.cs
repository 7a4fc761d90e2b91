using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Watches a task to its end for a person or a program, and answers with its exit code.</summary>
internal static class Following
{
    public static async Task<int> WatchAsync(Session session, string taskId, IAsyncEnumerable<WatchEvent> events, CancellationToken cancellationToken)
    {
        var screen = session.Screen;
        var printer = new EventPrinter(screen);
        EndEvent? end = null;
        try
        {
            await PrintAllAsync(screen, events, told =>
            {
                end = told as EndEvent;
                Print(screen, told, printer.Print);
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            screen.SetFooter("");
            screen.Flush();
            throw new CommandException($"no longer watching {taskId}, which goes on; 'taskpipe stop {taskId}' ends it");
        }
        if (end is not null)
            return ExitCodes.Of(end.Status, end.ExitCode);
        var detail = await session.Client.GetAsync(taskId, cancellationToken: cancellationToken);   // its end was seen before
        return ExitCodes.Of(detail.Status, detail.ExitCode);
    }

    /// <summary>Watches many tasks, until the person has had enough.</summary>
    public static async Task<int> WatchAllAsync(Session session, ViewOptions options, CancellationToken cancellationToken)
    {
        var screen = session.Screen;
        var printer = new ViewPrinter(screen);
        try
        {
            await PrintAllAsync(screen, session.Client.WatchAllAsync(options, cancellationToken), told => Print(screen, told, printer.Print));
            return ExitCodes.Succeeded;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            screen.Flush();
            throw new CommandException("no longer watching");
        }
    }

    /// <summary>Prints what comes, and shows it whenever nothing more is there yet.</summary>
    public static async Task PrintAllAsync<T>(Screen screen, IAsyncEnumerable<T> source, Action<T> print)
    {
        await using var items = source.GetAsyncEnumerator();
        while (true)
        {
            var next = items.MoveNextAsync();
            if (!next.IsCompleted)
                screen.Flush();
            if (!await next)
                break;
            print(items.Current);
        }
    }

    /// <summary>The same with a heading, once there is something below it.</summary>
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
            screen.Say("There are none");
    }

    /// <summary>Tells of a task that was just submitted, and watches it where that is wanted.</summary>
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

    private static void Print(Screen screen, WatchEvent told, Action<WatchEvent> forPeople)
    {
        if (screen.AsJson)
            screen.Json(told.Json);
        else
            forPeople(told);
    }

    public static WatchOptions Options(Session session) => new()
    {
        OnConnectionLost = loss =>
        {
            session.Screen.Say($"taskpipe: connection lost ({loss.Reason}); trying again");
            session.Screen.Flush();
        },
    };
}
