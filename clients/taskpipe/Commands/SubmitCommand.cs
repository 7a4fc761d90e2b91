using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

internal static class SubmitCommand
{
    private const string Details = """
        Prints the id of the task and returns at once; with --watch it shows the task to its end and returns its exit code. With
        --key, repeating the call submits no second task. A TIME is like 2026-03-01T09:30:00Z, a DURATION like 90s, 10m or 6h.
        Example: taskpipe submit agent run -p input="Which attributes are empty?" -p parallel_workers=3 --watch
        """;

    public static Command Create()
    {
        var type = new Argument<string>("TYPE") { Description = "The task type", HelpName = "TYPE" };
        type.CompletionSources.Add(context => Suggestions.Of(context, (client, _) => TypesOf(client).Select(known => known.Type)));
        var command = new Argument<string?>("COMMAND") { Description = "One of the type's commands, if it has any", HelpName = "COMMAND", Arity = ArgumentArity.ZeroOrOne };
        command.CompletionSources.Add(context => Suggestions.Of(context, (client, parsed) => CommandsOf(client, Given(parsed, type))));
        var parameters = TaskParams.Option();
        parameters.CompletionSources.Add(context => Suggestions.Of(context, (client, parsed) => ParamsOf(client, Given(parsed, type), Given(parsed, command))));
        var labels = new Option<string[]>("--label") { Description = "Your own label; can be repeated", HelpName = "NAME=VALUE" };
        var watch = new Option<bool>("--watch", "-w") { Description = "Watch the task to its end and return its exit code" };
        var key = new Option<string?>("--key") { Description = "Idempotency key", HelpName = "KEY" };
        var id = new Option<string?>("--id") { Description = "Your own id for the task", HelpName = "ID" };
        var project = new Option<string?>("--project") { Description = "The project. Default: default", HelpName = "NAME" };
        var delay = new Option<string?>("--delay") { Description = "Run it after this time", HelpName = "DURATION" };
        var runAt = new Option<string?>("--run-at") { Description = "Run it at this time", HelpName = "TIME" };
        var startBy = new Option<string?>("--start-by") { Description = "Expire it if it has not started by then", HelpName = "TIME|DURATION" };
        var deadline = new Option<string?>("--deadline") { Description = "End it by then", HelpName = "TIME|DURATION" };
        var priority = new Option<Priority?>("--priority") { Description = "high, normal or low", HelpName = "PRIORITY" };
        var concurrencyKey = new Option<string?>("--concurrency-key") { Description = "Limit how many tasks with this key run at the same time", HelpName = "KEY" };
        var concurrencyLimit = new Option<int?>("--concurrency-limit") { Description = "The limit for --concurrency-key. Default: 1", HelpName = "N" };
        var submit = new DetailedCommand("submit", "Submit a task.", Details)
        {
            type, command, parameters, labels, watch, key, id, project, delay, runAt, startBy, deadline, priority, concurrencyKey, concurrencyLimit,
        };
        submit.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var (typeName, commandName) = (parsed.GetRequiredValue(type), parsed.GetValue(command));
            var given = Pairs.Of("-p", parsed.GetValue(parameters));
            var task = new NewTask
            {
                Type = typeName,
                Command = commandName,
                Labels = Pairs.Of("--label", parsed.GetValue(labels)) is { Count: > 0 } pairs ? pairs : null,
                TaskId = parsed.GetValue(id),
                Project = parsed.GetValue(project),
                Delay = Times.Duration("--delay", parsed.GetValue(delay)),
                RunAt = Times.Time("--run-at", parsed.GetValue(runAt)),
                StartBy = parsed.GetValue(startBy) is { } start ? new TimeLimit(start) : null,
                Deadline = parsed.GetValue(deadline) is { } end ? new TimeLimit(end) : null,
                Priority = parsed.GetValue(priority),
                Concurrency = ConcurrencyOf(parsed.GetValue(concurrencyKey), parsed.GetValue(concurrencyLimit)),
                Params = await TaskParams.ReadAsync(session.Client, typeName, commandName, given, cancellationToken),
            };
            var submitted = await session.Client.SubmitAsync(task, parsed.GetValue(key), cancellationToken);
            return await Following.AnswerAsync(session, submitted, parsed.GetValue(watch), cancellationToken);
        }));
        return submit;
    }

    private static Concurrency? ConcurrencyOf(string? key, int? limit)
    {
        if (key is null && limit is not null)
            throw CommandException.Usage("--concurrency-limit needs a --concurrency-key");
        return key is null ? null : new Concurrency { Key = key, Limit = limit };
    }

    /// <summary>The value of an argument in an unfinished command line; null if it is missing.</summary>
    private static string? Given(ParseResult parsed, Argument argument) => parsed.GetResult(argument)?.Tokens is [var token, ..] ? token.Value : null;

    private static IAsyncEnumerable<string> CommandsOf(TaskPipelineClient client, string? type) =>
        TypesOf(client).Where(known => known.Type == type && known.Command is not null).Select(known => known.Command!);

    private static IAsyncEnumerable<string> ParamsOf(TaskPipelineClient client, string? type, string? command) =>
        TypesOf(client).Where(known => known.Type == type && known.Command == command)
            .SelectMany(known => (known.Params["properties"]?.AsObject() ?? []).Select(param => param.Key + "="));

    private static async IAsyncEnumerable<TaskType> TypesOf(TaskPipelineClient client)
    {
        foreach (var type in await client.TaskTypesAsync())
            yield return type;
    }
}
