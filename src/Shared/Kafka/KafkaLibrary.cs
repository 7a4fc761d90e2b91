using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Confluent.Kafka;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Kafka;

/// <summary>
/// Loads this process's librdkafka: of the builds that come with the program, the one that works on this system, by its path. Loading by name alone would use
/// the system's library if our first build lacks a dependency, such as a newer libsasl2; and that library can be years older than Confluent.Kafka requires.
/// </summary>
public static class KafkaLibrary
{
    public const string Name = "librdkafka";
    private const string Setting = KafkaOptions.Section + ":" + nameof(KafkaOptions.LibraryPath);

    private static readonly Lock Gate = new();
    private static string? _path = Environment.GetEnvironmentVariable(Setting.Replace(":", "__", StringComparison.Ordinal));
    private static nint _handle;

    private delegate int VersionFunction();

    /// <summary>The version that Confluent.Kafka needs: it has the same version as its library.</summary>
    private static Version Needed => typeof(Library).Assembly.GetName().Version!;

    // The second Linux build has no Kerberos, and so needs no libsasl2; the one for Alpine is for musl.
    private static string[] Builds =>
        OperatingSystem.IsWindows() ? ["librdkafka.dll"]
        : OperatingSystem.IsMacOS() ? ["librdkafka.dylib"]
        // a library built from source on such a system has the plain name
        : RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal) ? ["alpine-librdkafka.so", "librdkafka.so"]
        : ["librdkafka.so", "centos8-librdkafka.so", "alpine-librdkafka.so"];

    /// <summary>Runs before any code of this assembly, and so before any client is created.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Otherwise every program would have to call it")]
    internal static void Resolve() => ResolveFor(typeof(Library).Assembly);

    /// <summary>For another assembly that calls librdkafka itself.</summary>
    public static void ResolveFor(Assembly assembly) => NativeLibrary.SetDllImportResolver(assembly, (name, _, _) => name == Name ? Load() : 0);

    /// <summary>Loads the library, if it is not loaded yet.</summary>
    /// <param name="path">The library's file; null: the one in the environment, otherwise one of ours.</param>
    /// <exception cref="KafkaLibraryException">None works on this system, or it is too old.</exception>
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
        // The folders that the runtime searches: those of the packages for this system, and the program's own.
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
                $"none of the builds of librdkafka in {AppContext.BaseDirectory} works on this system: "
                + $"set {Setting} to one of version {Text(Needed)} or later");
        Check(systems, "of this system");
        return systems;
    }

    private static void Check(nint library, string place)
    {
        if (!NativeLibrary.TryGetExport(library, "rd_kafka_version", out var address))
            throw new KafkaLibraryException($"{place} is not librdkafka: set {Setting} to one of version {Text(Needed)} or later");
        var number = Marshal.GetDelegateForFunctionPointer<VersionFunction>(address)();
        var found = new Version(number >> 24 & 0xff, number >> 16 & 0xff, number >> 8 & 0xff);   // 0xMMmmrrff, where ff is a final version
        if (found < new Version(Needed.Major, Needed.Minor, Needed.Build))
            throw new KafkaLibraryException(
                $"librdkafka {place} is version {Text(found)}, but {Text(Needed)} or later is needed: set {Setting} to one, or remove it");
    }

    private static string Text(Version version) => version.ToString(3);
}

/// <summary>There is no usable librdkafka; only a person can correct that.</summary>
public sealed class KafkaLibraryException(string message) : Exception(message);

/// <summary>Loads the library when the host starts; the start fails if it cannot be used.</summary>
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
