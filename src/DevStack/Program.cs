using System.CommandLine;
using TaskPipeline.DevStack;
using TaskPipeline.LocalProcesses;

const string Name = "./build up";

var options = new StackOptions();
var root = new RootCommand(StackOptions.Description);
foreach (var option in options.All)
    root.Add(option);
root.SetAction(async (parsed, _) =>
{
    try
    {
        using var stack = new Stack(options.Read(parsed), new Log());
        return await stack.RunAsync();
    }
    catch (Exception exception) when (exception is StackException or NotBuiltException)
    {
        await Console.Error.WriteLineAsync($"{Name}: {exception.Message}");
        return 1;
    }
});
return await root.RunAsync(Name, args);
