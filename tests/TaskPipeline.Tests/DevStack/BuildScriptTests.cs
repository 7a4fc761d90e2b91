using TaskPipeline.LocalProcesses;
using Xunit;

namespace TaskPipeline.Tests.DevStack;

public sealed class BuildScriptTests
{
    [Fact(Timeout = 30_000)]
    public async Task A_word_that_does_not_exist_shows_the_help_and_exits_with_2()
    {
        await using var build = Build("dance");

        Assert.Equal(2, await build.WaitForExitAsync());
        Assert.Contains("unknown command 'dance'", build.Output, StringComparison.Ordinal);
        Assert.Contains("./build test", build.Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task The_help_names_every_word()
    {
        await using var build = Build("help");

        Assert.Equal(0, await build.WaitForExitAsync());
        Assert.All(["setup", "up", "test", "bench", "format", "audit", "publish", "help"], word => Assert.Contains($"./build {word}", build.Output, StringComparison.Ordinal));
    }

    private static ChildProcess Build(string word)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "./build is a bash script");
        return ChildProcess.StartFile(Path.Combine(BuildOutput.Repository, "build"), "./build", [word]);
    }
}
