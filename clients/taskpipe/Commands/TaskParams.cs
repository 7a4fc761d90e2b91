using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Parses the params of a command line. The schema of the task's type says which of them are numbers.</summary>
internal static class TaskParams
{
    public static Option<string[]> Option() => new("--param", "-p")
    {
        Description = "A param of the task; can be repeated. For a param of type file, @PATH stores that file first",
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
            parameters[name] = value.StartsWith('@') && schema?[name]?["format"]?.GetValue<string>() == "file"
                ? JsonValue.Create(await StoreAsync(client, name, value[1..], cancellationToken))
                : ValueOf(value, schema?[name]?["type"]?.GetValue<string>());
        return parameters;
    }

    private static async Task<string> StoreAsync(TaskPipelineClient client, string param, string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var content = File.OpenRead(path);
            return (await client.StoreFileAsync(content, Path.GetFileName(path), cancellationToken)).File;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CommandException.Usage($"-p {param}: {exception.Message}");
        }
    }

    /// <summary>A value that does not match its type is sent as text: the server reports it, with the rule that it breaks.</summary>
    private static JsonValue ValueOf(string text, string? type) => type switch
    {
        "integer" when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
        "number" when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) => JsonValue.Create(number),
        "boolean" when bool.TryParse(text, out var truth) => JsonValue.Create(truth),
        _ => JsonValue.Create(text),
    };
}
