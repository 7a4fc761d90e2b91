using System.Text.Json;
using Microsoft.Extensions.Options;

namespace TaskPipeline.ProjectConfig;

/// <summary>Reads the projects. If the file becomes unreadable, this is reported and the last valid content remains in use.</summary>
internal sealed partial class ProjectFile(IOptions<ProjectsOptions> options, ILogger<ProjectFile> logger)
{
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
    };

    private readonly ProjectsOptions _options = options.Value;
    private readonly Lock _lock = new();
    private IReadOnlyDictionary<string, Project>? _projects;   // with the file's time, under the lock
    private (DateTime, long) _stamp;

    /// <exception cref="ProjectFileException">The file cannot be used, and there was no valid content before.</exception>
    public IReadOnlyDictionary<string, Project> Read()
    {
        lock (_lock)
        {
            var stamp = Stamp();
            if (_projects is not null && stamp == _stamp)
                return _projects;
            _stamp = stamp;
            try
            {
                return _projects = _options.File is { } file ? Parse(file) : BuiltIn();
            }
            catch (ProjectFileException exception) when (_projects is not null)
            {
                LogUnusable(logger, exception.Message);
                return _projects;
            }
        }
    }

    private (DateTime, long) Stamp() =>
        _options.File is { } path && new FileInfo(path) is { Exists: true } file ? (file.LastWriteTimeUtc, file.Length) : default;

    private static Dictionary<string, Project> Parse(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, Project>>(File.ReadAllBytes(file), Json) ?? throw new JsonException("it contains null");
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ProjectFileException($"Projects:File {file} cannot be used: {exception.Message}");
        }
    }

    private Dictionary<string, Project> BuiltIn() => new()
    {
        ["default"] = new Project(
            Path.GetFullPath(Path.Combine(_options.DataDirectory, "default.db")),
            new Dictionary<string, string> { ["data"] = Path.GetFullPath(_options.SamplesDirectory) },
            new Dictionary<string, string>()),
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Reason}; the last valid content remains in use")]
    private static partial void LogUnusable(ILogger logger, string reason);
}

/// <summary>The file of projects cannot be read; a person must correct it.</summary>
internal sealed class ProjectFileException(string message) : Exception(message);
