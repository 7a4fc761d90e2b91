using System.CommandLine;
using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

internal static class DeadLettersCommand
{
    private const int UsualLimit = 50;
    private const int IdWidth = 36;
    private const int TypeWidth = 24;
    private const int ReasonWidth = 14;

    public static Command Create()
    {
        var all = new Option<bool>("--all") { Description = "Include resolved dead letters" };
        var limit = new Option<int>("--limit") { Description = "Maximum number of dead letters", HelpName = "N", DefaultValueFactory = _ => UsualLimit };
        var list = new Command("dead-letters", "List dead tasks, which are not retried, newest first; redrive or discard one.") { all, limit, Redrive(), Discard() };
        list.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var screen = session.Screen;
            var heading = $"{"TASK",-IdWidth} {"TYPE",-TypeWidth} {"REASON",-ReasonWidth} {"AGE",4} ERROR";
            var letters = session.Client.DeadLettersAsync(new DeadLetterFilter { IncludeResolved = parsed.GetValue(all) }, cancellationToken).Take(parsed.GetValue(limit));
            await Following.PrintTableAsync(screen, heading, letters, letter => Print(screen, letter, session.Clock.Now));
            return ExitCodes.Succeeded;
        }));
        return list;
    }

    private static Command Redrive()
    {
        var id = Letter();
        var watch = new Option<bool>("--watch", "-w") { Description = "Watch the task to its end and return its exit code" };
        var redrive = new Command("redrive", "Replace a dead task with a new task, and print its id.") { id, watch };
        redrive.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var submitted = await session.Client.RedriveAsync(parsed.GetRequiredValue(id), cancellationToken: cancellationToken);
            return await Following.AnswerAsync(session, submitted, parsed.GetValue(watch), cancellationToken);
        }));
        return redrive;
    }

    private static Command Discard()
    {
        var id = Letter();
        var discard = new Command("discard", "Discard a dead letter.") { id };
        discard.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var letter = parsed.GetRequiredValue(id);
            await session.Client.DiscardAsync(letter, cancellationToken);
            if (session.Screen.AsJson)
                session.Screen.Json(new Done(letter, "discard"), TaskpipeJson.Readable.Done);
            else
                session.Screen.Say($"{letter} is discarded");
            return ExitCodes.Succeeded;
        }));
        return discard;
    }

    private static Argument<string> Letter()
    {
        var id = new Argument<string>("ID") { Description = "Id of the dead letter", HelpName = "ID" };
        id.CompletionSources.Add(context => Suggestions.Of(context, (client, _) => client.DeadLettersAsync().Select(letter => letter.Id)));
        return id;
    }

    private static void Print(Screen screen, DeadLetter letter, DateTimeOffset now)
    {
        if (screen.AsJson)
        {
            screen.Json(letter, TaskpipeJson.Readable.DeadLetter);
            return;
        }
        var type = letter.Command is null ? letter.Type : $"{letter.Type} {letter.Command}";
        var error = Paint.Plain(letter.Error).ReplaceLineEndings(" ");
        screen.OutLine($"{letter.Id,-IdWidth} {type,-TypeWidth} {letter.Resolution ?? letter.Reason,-ReasonWidth} {Ages.Of(now - letter.At),4} {Paint.Errors(error, screen.OutHasColour)}");
    }
}
