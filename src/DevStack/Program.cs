using TaskPipeline.DevStack;

const int BadOptions = 2;

try
{
    if (StackOptions.Parse(args) is not { } options)
    {
        Console.WriteLine(StackOptions.Help);
        return 0;
    }
    using var stack = new Stack(options, new Log());
    return await stack.RunAsync();
}
catch (BadOptionException exception)
{
    await Console.Error.WriteLineAsync($"./build up: {exception.Message}");
    return BadOptions;
}
catch (StackException exception)
{
    await Console.Error.WriteLineAsync($"./build up: {exception.Message}");
    return 1;
}
