using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Confluent.Kafka;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// The librdkafka of this process: of the builds that come with the program the one that fits this system, loaded by its path. By its name alone, the
/// system's own would be taken where our first build does not find what it needs, such as a newer libsasl2; and that may be years older than what
/// Confluent.Kafka calls.
/// </summary>
public static class KafkaLibrary
{
    public const string Name = "librdkafka";
    private const string Setting = KafkaOptions.Section + ":" + nameof(KafkaOptions.LibraryPath);

    private static readonly Lock Gate = new();
    private static string? _path = Environment.GetEnvironmentVariable(Setting.Replace(":", "__", StringComparison.Ordinal));
    private static nint _handle;

    private delegate int VersionFunction();

    /// <summary>What Confluent.Kafka was made for: it has the version of its library.</summary>
    private static Version Needed => typeof(Library).Assembly.GetName().Version!;

    // The second one for Linux goes without Kerberos, and so without libsasl2; the one for Alpine was made for its C library, musl.
    private static string[] Builds =>
        OperatingSystem.IsWindows() ? ["librdkafka.dll"]
        : OperatingSystem.IsMacOS() ? ["librdkafka.dylib"]
        // built here from source, it has the first name
        : RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal) ? ["alpine-librdkafka.so", "librdkafka.so"]
        : ["librdkafka.so", "centos8-librdkafka.so", "alpine-librdkafka.so"];

    /// <summary>Before anything of this assembly runs: so before any client is made.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "What each program had to call would be forgotten in one of them")]
    internal static void Resolve() => ResolveFor(typeof(Library).Assembly);

    /// <summary>For another assembly that calls librdkafka itself.</summary>
    public static void ResolveFor(Assembly assembly) => NativeLibrary.SetDllImportResolver(assembly, (name, _, _) => name == Name ? Load() : 0);

    /// <summary>Loads the library, if it is not loaded yet.</summary>
    /// <param name="path">The one to take; null: that of the environment, else one of ours.</param>
    /// <exception cref="KafkaLibraryException">None fits this system, or it is too old.</exception>
    public static nint Load(string? path = null)
    {
        lock (Gate)
        {
            if (_handle != 0)
                return _handle;
            _path = path ?? _path;
            return _handle = string.IsNullOrEmpty(_path) ? LoadOurs() : LoadNamed(_path);
        }
    }

    private static nint LoadNamed(string path)
    {
        try
        {
            var handle = NativeLibrary.Load(Path.GetFullPath(path));
            Check(handle, path);
            return handle;
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            throw new KafkaLibraryException($"{Setting}: {exception.Message.Trim().Split('\n')[^1]}");
        }
    }

    private static nint LoadOurs()
    {
        // The folders in which the runtime looks: those of the packages for this system, and the program's own.
        var folders = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory);
        foreach (var file in folders.SelectMany(folder => Builds.Select(build => Path.Combine(folder, build))).Where(File.Exists))
            if (NativeLibrary.TryLoad(file, out var ours))
            {
                Check(ours, file);
                return ours;
            }
        if (!NativeLibrary.TryLoad($"{Name}.so.1", out var systems) && !NativeLibrary.TryLoad(Name, typeof(KafkaLibrary).Assembly, null, out systems))
            throw new KafkaLibraryException(
                $"none of the builds of librdkafka in {AppContext.BaseDirectory} fits this system: name one of version {Text(Needed)} or later with {Setting}");
        Check(systems, "of this system");
        return systems;
    }

    private static void Check(nint library, string place)
    {
        if (!NativeLibrary.TryGetExport(library, "rd_kafka_version", out var address))
            throw new KafkaLibraryException($"{place} is no librdkafka: name one of version {Text(Needed)} or later with {Setting}");
        var number = Marshal.GetDelegateForFunctionPointer<VersionFunction>(address)();
        var found = new Version(number >> 24 & 0xff, number >> 16 & 0xff, number >> 8 & 0xff);   // 0xMMmmrrff, where ff is a final version
        if (found < new Version(Needed.Major, Needed.Minor, Needed.Build))
            throw new KafkaLibraryException(
                $"librdkafka {place} is version {Text(found)}, and {Text(Needed)} or later is needed: name such a one with {Setting}, or none");
    }

    private static string Text(Version version) => version.ToString(3);
}

/// <summary>There is no librdkafka that this program can use; only a person can mend that.</summary>
public sealed class KafkaLibraryException(string message) : Exception(message);

/// <summary>Loads the library at the start of the host, which is refused where that cannot be used.</summary>
internal sealed class KafkaLibraryCheck : IValidateOptions<KafkaOptions>
{
    public ValidateOptionsResult Validate(string? name, KafkaOptions options)
    {
        try
        {
            KafkaLibrary.Load(options.LibraryPath);
            return ValidateOptionsResult.Success;
        }
        catch (KafkaLibraryException exception)
        {
            return ValidateOptionsResult.Fail(exception.Message);
        }
    }
}
