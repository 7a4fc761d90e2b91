using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Broker;

/// <summary>Which librdkafka a program takes: that of the system may be older than what Confluent.Kafka calls.</summary>
public sealed class KafkaLibraryTests(TestBroker broker) : IDisposable
{
    // What librdkafka-dev of Debian 12 has, as far as a loader can tell.
    private const string OldLibrary = "int rd_kafka_version(void) { return 0x020002ff; } const char *rd_kafka_version_str(void) { return \"2.0.2\"; }";
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kafka-library-");

    [Theory(Timeout = 90_000)]
    [InlineData("EmbeddedBroker", "ready ")]
    [InlineData("TaskApi", "Connected to ")]
    [InlineData("TaskWorker", "Connected to ")]
    public async Task An_old_librdkafka_of_the_system_is_not_taken(string program, string works)
    {
        await BuildOldAsync("librdkafka.so");
        File.Copy(PathOf("librdkafka.so"), PathOf("librdkafka.so.1"));

        await using var process = await StartAsync(program, "LD_LIBRARY_PATH", _folder.FullName);

        await process.WaitForLineAsync(works, MaxWait);
    }

    [Theory(Timeout = 90_000)]
    [InlineData("EmbeddedBroker")]
    [InlineData("TaskApi")]
    [InlineData("TaskWorker")]
    public async Task One_that_is_too_old_is_refused_in_a_sentence_with_both_versions(string program)
    {
        await BuildOldAsync("old.so");

        await using var process = await StartAsync(program, "Kafka__LibraryPath", PathOf("old.so"));

        Assert.Equal(ExitCodes.BadConfiguration, await process.WaitForExitAsync(MaxWait));
        var needed = typeof(Confluent.Kafka.Library).Assembly.GetName().Version!.ToString(3);
        Assert.Contains($"librdkafka {PathOf("old.so")} is version 2.0.2, but {needed} or later is needed", Assert.Single(process.Lines), StringComparison.Ordinal);
    }

    [Theory(Timeout = 90_000)]
    [InlineData("EmbeddedBroker")]
    [InlineData("TaskApi")]
    [InlineData("TaskWorker")]
    public async Task One_that_cannot_be_loaded_is_refused_in_a_sentence(string program)
    {
        await File.WriteAllTextAsync(PathOf("text.so"), "no library", TestContext.Current.CancellationToken);

        await using var process = await StartAsync(program, "Kafka__LibraryPath", PathOf("text.so"));

        Assert.Equal(ExitCodes.BadConfiguration, await process.WaitForExitAsync(MaxWait));
        Assert.Contains($"Kafka:LibraryPath: {PathOf("text.so")}", Assert.Single(process.Lines), StringComparison.Ordinal);
    }

    [Fact(Timeout = 90_000)]
    public async Task The_stack_ends_when_its_programs_have_no_library_and_starts_nothing_again()
    {
        await File.WriteAllTextAsync(PathOf("text.so"), "no library", TestContext.Current.CancellationToken);

        await using var stack = ChildProcess.Start(
            "DevStack", ["--port", "0", "--workers", "1", "--kafka", "127.0.0.1:1", "--data", _folder.FullName], [KeyValuePair.Create<string, string?>("Kafka__LibraryPath", PathOf("text.so"))]);

        Assert.Equal(1, await stack.WaitForExitAsync(MaxWait));
        Assert.Contains("cannot run with this configuration", stack.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("restarting", stack.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", stack.Output, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private string PathOf(string file) => Path.Combine(_folder.FullName, file);

    private async Task<ChildProcess> StartAsync(string program, string variable, string value)
    {
        Dictionary<string, string?> environment = new() { [variable] = value, ["Parent__HoldsInput"] = "true" };
        if (program != "EmbeddedBroker")
            foreach (var (key, setting) in broker.Settings(await broker.NewPipelineAsync()))
                environment[key.Replace(":", "__", StringComparison.Ordinal)] = setting;
        environment["ASPNETCORE_URLS"] = "http://127.0.0.1:0";
        environment["Worker__ProjectConfigUrl"] = "http://127.0.0.1:1";
        environment["Worker__DataDirectory"] = _folder.FullName;
        environment["Catalogue__File"] = Path.Combine(AppContext.BaseDirectory, "Api", "task-types.yaml");
        return ChildProcess.Start(program, environment: environment);
    }

    private async Task BuildOldAsync(string file)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the system's libraries come first on Linux only");
        Assert.SkipUnless((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "cc"))), "needs a C compiler, cc");
        await File.WriteAllTextAsync(PathOf("old.c"), OldLibrary, TestContext.Current.CancellationToken);
        await using var compiler = ChildProcess.StartFile("cc", "cc", ["-shared", "-fPIC", "-Wl,-soname,librdkafka.so.1", "-o", PathOf(file), PathOf("old.c")]);
        Assert.Equal(0, await compiler.WaitForExitAsync(MaxWait));
    }
}
