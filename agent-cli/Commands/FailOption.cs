using System.CommandLine;
using TaskPipeline.AgentCli.Demonstrating;

namespace TaskPipeline.AgentCli.Commands;

internal sealed class FailOption : Option<string>
{
    public FailOption()
        : base("--fail")
    {
        Description = "How to fail";
        HelpName = "HOW";
        DefaultValueFactory = _ => "none";
        Validators.Add(result =>
        {
            if (result.Tokens is [var token] && Failure.Named(token.Value) is null)
                result.AddError($"--fail takes {Failure.Words}, not '{token.Value}'");
        });
    }

    public Failure Picked(ParseResult parsed)
    {
        return Failure.Named(parsed.GetRequiredValue(this))!;
    }
}
