using System.CommandLine;
using System.Globalization;

namespace TaskPipeline.AgentCli.Commands;

/// <summary>How many of something, from one to a limit.</summary>
internal sealed class CountOption : Option<int>
{
    public CountOption(string name, int usual, int most)
        : base(name)
    {
        HelpName = "N";
        DefaultValueFactory = _ => usual;
        Validators.Add(result =>
        {
            // The value itself can be asked for only when it is a number, and when it is none the parser says so.
            var isNumber = int.TryParse(result.Tokens is [var token] ? token.Value : "1", CultureInfo.InvariantCulture, out var number);
            if (isNumber && (number < 1 || number > most))
                result.AddError($"{name} takes a number from 1 to {most}");
        });
    }
}
