using System.Text.RegularExpressions;
using TaskPipeline.LocalProcesses;
using Xunit;

namespace TaskPipeline.Tests.Architecture;

/// <summary>The namespaces of a program follow its folders, and depend on each other in one direction.</summary>
public sealed class WallsTests
{
    private const int LongestLine = 160;

    /// <summary>Of each program its namespaces, from the lowest to the highest, with those that each may use. What lies in none of them may use all.</summary>
    private static readonly Dictionary<string, (string Name, string[] MayUse)[]> Walls = new()
    {
        ["TaskApi"] =
        [
            ("Settings", []),
            ("Http", ["Settings"]),
            ("Kafka", ["Settings"]),
            ("Logs", ["Settings"]),
            ("ReadModel", ["Settings", "Http", "Kafka", "Logs"]),
            ("Submitting", ["Http", "Kafka", "ReadModel"]),
            ("Stopping", ["Http", "Kafka", "ReadModel"]),
            ("Pausing", ["Http", "Kafka", "ReadModel"]),
            ("Inputs", ["Http", "Kafka", "ReadModel"]),
            ("Emitting", ["Http", "Kafka", "ReadModel"]),
            ("Scheduling", ["Http", "Kafka", "ReadModel"]),
            ("Artifacts", ["Http", "ReadModel"]),
            ("Files", ["Settings", "Http", "Kafka", "ReadModel"]),
            ("Listing", ["Http", "Logs", "ReadModel"]),
            ("Workers", ["Http", "ReadModel"]),
            ("Health", ["Http", "Kafka", "ReadModel", "Workers"]),
            ("Repeating", ["Http", "ReadModel", "Submitting"]),
            ("DeadLetters", ["Http", "Kafka", "ReadModel", "Listing", "Submitting", "Repeating"]),
            ("Watching", ["Settings", "Http", "Logs", "ReadModel", "Stopping", "Inputs"]),
            ("Docs", []),
            ("Ui", []),
        ],
        ["TaskWorker"] =
        [
            ("Settings", []),
            ("Kafka", ["Settings"]),
            ("Output", ["Kafka"]),
            ("Workspaces", ["Settings"]),
            ("Processes", ["Settings", "Workspaces"]),
            ("Attempts", ["Settings", "Kafka", "Output", "Workspaces", "Processes"]),
            ("Lanes", ["Settings", "Kafka", "Output", "Attempts"]),
        ],
    };

    public static TheoryData<string> Programs => [.. Walls.Keys];

    [Theory]
    [MemberData(nameof(Programs))]
    public void A_namespace_may_use_those_below_it_alone(string program)
    {
        var names = Walls[program].Select(wall => wall.Name).ToList();
        foreach (var (name, mayUse) in Walls[program])
            Assert.All(mayUse, used => Assert.Contains(used, names.TakeWhile(lower => lower != name)));
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public void A_namespace_uses_only_what_it_may(string program)
    {
        var files = FilesOf(program);
        AssertNone(Walls[program].SelectMany(wall => files.Where(file => file.Folder == wall.Name)
            .SelectMany(file => file.Code.SelectMany(line => UsesIn(line.Text, program, file.Folder, files)
                .Where(used => !wall.MayUse.Contains(used.Split('.')[0]))
                .Select(used => $"{file.Path}:{line.Number}: {wall.Name} uses {used}. It may use {Said(wall.MayUse)}.")))));
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public void Namespaces_are_the_folders_and_each_has_its_wall(string program)
    {
        var names = Walls[program].Select(wall => wall.Name).ToList();
        var files = FilesOf(program);
        Assert.All(names, name => Assert.Contains(files, file => file.Folder == name));
        AssertNone(files.SelectMany(file => file.Code
            .Where(line => line.Text.StartsWith("namespace ", StringComparison.Ordinal))
            .Where(line => line.Text != $"namespace {string.Join('.', ["TaskPipeline", program, .. file.Folders])};")
            .Select(line => $"{file.Path}:{line.Number}: '{line.Text}' is not the namespace of its folder.")));
        AssertNone(files.Where(file => file.Folder.Length > 0 && !names.Contains(file.Folder))
            .Select(file => $"{file.Path}: {file.Folder} is not among the walls of {program}: {Said(names)}."));
    }

    [Fact]
    public void No_line_is_too_long() => AssertNone(Directory.EnumerateDirectories(Path.Combine(BuildOutput.Repository, "src"))
        .SelectMany(program => FilesOf(Path.GetFileName(program)))
        .SelectMany(file => file.Lines.Where(line => line.Text.Length > LongestLine)
            .Select(line => $"{file.Path}:{line.Number}: {line.Text.Length} characters, where a line may have {LongestLine}.")));

    [Theory]
    [InlineData("AgentProcess.cs", "Cli.Wrap(")]
    [InlineData("HelperShell.cs", "Process.Start(")]
    [InlineData("HelperShell.cs", "new Process(")]
    [InlineData("HelperShell.cs", "new ProcessStartInfo")]
    public void Nothing_else_in_the_worker_starts_processes(string only, string how) => AssertNone(FilesOf("TaskWorker")
        .Where(file => Path.GetFileName(file.Path) != only)
        .SelectMany(file => file.Code
            .Where(line => line.Text.Contains(how, StringComparison.Ordinal))
            .Select(line => $"{file.Path}:{line.Number}: {how} may stand in {only} alone.")));

    /// <summary>The other namespaces of a program that a line of code uses, by a <c>using</c> or by a qualified name; and its types that lie in none.</summary>
    private static IEnumerable<string> UsesIn(string line, string program, string folder, IReadOnlyList<SourceFile> files)
    {
        var full = Regex.Matches(line, $@"\bTaskPipeline\.{program}\.(\w+)").Select(match => match.Groups[1].Value);
        var partly = Regex.Matches(line, $@"(?<![\w.])(?:{program}\.)?(\w+)\.(\w+)")
            .Where(match => files.Any(file => file.Folder == match.Groups[1].Value && file.Types.Contains(match.Groups[2].Value)))
            .Select(match => match.Groups[1].Value);
        var above = Regex.Matches(line, @"(?<![\w.])\w+").Select(match => match.Value)
            .Where(name => files.Any(file => file.Folder.Length == 0 && file.Types.Contains(name)));
        return full.Concat(partly).Concat(above).Where(used => used != folder && !line.StartsWith("namespace ", StringComparison.Ordinal)).Distinct();
    }

    private static List<SourceFile> FilesOf(string program)
    {
        var root = Path.Combine(BuildOutput.Repository, "src", program);
        var files = Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal);
        return
        [
            .. files.Select(file =>
                new SourceFile(Path.GetRelativePath(BuildOutput.Repository, file), Path.GetRelativePath(root, file), File.ReadAllLines(file))),
        ];
    }

    private static string Said(IReadOnlyCollection<string> names) => names.Count == 0 ? "none of them" : string.Join(", ", names);

    private static void AssertNone(IEnumerable<string> faults)
    {
        List<string> all = [.. faults];
        if (all.Count > 0)
            Assert.Fail(string.Join('\n', all));
    }

    /// <param name="Place">Below its program.</param>
    private sealed record SourceFile(string Path, string Place, string[] Text)
    {
        public IReadOnlyList<string> Folders { get; } = Place.Split(System.IO.Path.DirectorySeparatorChar)[..^1];

        /// <summary>The one behind whose wall it is; empty: it lies in none.</summary>
        public string Folder => Folders is [var first, ..] ? first : "";

        public IEnumerable<(int Number, string Text)> Lines => Text.Select((line, index) => (index + 1, line));

        /// <summary>Without lines that are comments.</summary>
        public IEnumerable<(int Number, string Text)> Code => Lines.Where(line => !line.Text.TrimStart().StartsWith("//", StringComparison.Ordinal));

        /// <summary>Those that are declared in it, but for nested ones.</summary>
        public HashSet<string> Types { get; } = Text
            .Select(line => Regex.Match(line, @"^(?:public|internal)\b[\w\s]*?\b(?:class|struct|interface|enum|record struct|record|delegate [\w<>?]+) (\w+)"))
            .Where(match => match.Success).Select(match => match.Groups[1].Value).ToHashSet();
    }
}
