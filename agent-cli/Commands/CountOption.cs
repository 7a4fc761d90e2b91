using System.CommandLine;
using System.Globalization;

namespace TaskPipeline.AgentCli.Commands;

/// <summary>An option that takes a number from one to a limit.</summary>
internal sealed class CountOption : Option<int>
{
    public CountOption(string name, int usual, int most)
        : base(name)
    {
        HelpName = "N";
        DefaultValueFactory = _ => usual;
        Validators.Add(result =>
        {
            // Only a number has a value here; the parser reports everything else.
            var isNumber = int.TryParse(result.Tokens is [var token] ? token.Value : "1", CultureInfo.InvariantCulture, out var number);
            if (isNumber && (number < 1 || number > most))
                result.AddError($"{name} takes a number from 1 to {most}");
        });
    }
}
