using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Params of a task, as they are written on a command line: the schema of the task's type says which of them are numbers.</summary>
internal static class TaskParams
{
    public static Option<string[]> Option() => new("--param", "-p")
    {
        Description = "A param of the task; may be given several times",
        HelpName = "NAME=VALUE",
    };

    public static async Task<JsonObject> ReadAsync(TaskPipelineClient client, string type, string? command, Dictionary<string, string> given, CancellationToken cancellationToken)
    {
        var parameters = new JsonObject();
        if (given.Count == 0)
            return parameters;
        var types = await client.TaskTypesAsync(cancellationToken);
        var schema = types.FirstOrDefault(known => known.Type == type && known.Command == command)?.Params["properties"];
        foreach (var (name, value) in given)
            parameters[name] = ValueOf(value, schema?[name]?["type"]?.GetValue<string>());
        return parameters;
    }

    /// <summary>What does not fit goes as it is: the server names it, with the rule that it breaks.</summary>
    private static JsonValue ValueOf(string text, string? type) => type switch
    {
        "integer" when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
        "number" when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) => JsonValue.Create(number),
        "boolean" when bool.TryParse(text, out var truth) => JsonValue.Create(truth),
        _ => JsonValue.Create(text),
    };
}
