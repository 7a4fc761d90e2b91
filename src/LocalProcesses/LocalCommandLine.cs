using System.CommandLine;
using System.Globalization;

namespace TaskPipeline.LocalProcesses;

/// <summary>The common part of the command lines of local programs.</summary>
public static class LocalCommandLine
{
    public const int BadUsage = 2;

    /// <summary>Runs a command. A usage error is one line on stderr that names the option, and exit code 2.</summary>
    /// <param name="name">Name of the program, as its user calls it.</param>
    public static async Task<int> RunAsync(this RootCommand root, string name, string[] args)
    {
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors is [var first, ..])
        {
            var mistake = parsed.UnmatchedTokens is [var unknown, ..] ? $"'{unknown}' is not known." : first.Message.ReplaceLineEndings(" ");
            await Console.Error.WriteLineAsync($"{name}: {mistake} See {name} --help.");
            return BadUsage;
        }
        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }

    /// <summary>An option that takes a whole number in a range.</summary>
    public static Option<int> Number(string name, string valueName, int byDefault, int least, int most, string description) => new(name)
    {
        HelpName = valueName,
        Description = description,
        DefaultValueFactory = _ => byDefault,
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
                return number;
            result.AddError($"{name} {text}: give a number from {least} to {most}.");
            return byDefault;
        },
    };
}
