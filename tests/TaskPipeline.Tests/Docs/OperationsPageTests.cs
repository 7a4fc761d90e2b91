using System.Reflection;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.TaskApi.Settings;
using TaskPipeline.TaskWorker.Settings;
using Xunit;

namespace TaskPipeline.Tests.Docs;

public sealed class OperationsPageTests
{
    // Defaults that are not the same everywhere, so that the page describes them in words.
    private static readonly string[] DescribedDefaults = ["Worker:Id", "Worker:DataDirectory", "Artifacts:Directory"];

    [Fact]
    public void Every_option_is_on_the_page_with_its_default_and_no_other_is()
    {
        var page = File.ReadAllLines(Path.Combine(BuildOutput.Repository, "docs", "operations.md"));
        var documented = page.Where(line => line.StartsWith("| `", StringComparison.Ordinal) && line.Split('`')[1].Contains(':', StringComparison.Ordinal))
            .Select(line => line.Split('|')).ToDictionary(cells => cells[1].Trim(' ', '`'), cells => cells[2].Trim(' ', '`'));
        var real = OptionsTypes().SelectMany(DefaultsOf).ToDictionary(option => option.Name, option => option.Default);
        real["Logging:Level"] = "Information";
        real["Logging:Json"] = "false";
        real["Parent:HoldsInput"] = "false";

        Assert.Equal(real.Keys.Order(), documented.Keys.Order());
        foreach (var (name, value) in real)
            if (!DescribedDefaults.Contains(name))
                Assert.True(value == documented[name], $"{name} is '{value}' by default, the page says '{documented[name]}'");
    }

    private static IEnumerable<Type> OptionsTypes()
    {
        var projectConfig = Assembly.LoadFrom(Path.Combine(BuildOutput.FolderOf("ProjectConfig"), "ProjectConfig.dll"));
        Assembly[] assemblies = [typeof(KafkaOptions).Assembly, typeof(ApiOptions).Assembly, typeof(WorkerOptions).Assembly, projectConfig];
        return assemblies.SelectMany(assembly => assembly.GetTypes())
            .Where(type => type.GetField("Section", BindingFlags.Public | BindingFlags.Static) is not null);
    }

    private static IEnumerable<(string Name, string Default)> DefaultsOf(Type type)
    {
        var section = (string)type.GetField("Section")!.GetRawConstantValue()!;
        var options = Activator.CreateInstance(type)!;
        return type.GetProperties().Select(property => ($"{section}:{property.Name}", property.GetValue(options) switch
        {
            null => "",
            bool value => value ? "true" : "false",
            string or int or long or short or TimeSpan => property.GetValue(options)!.ToString()!,
            _ => "",   // lists and tables are empty
        }));
    }
}
