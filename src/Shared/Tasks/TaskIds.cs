using System.Text.RegularExpressions;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A task's id is 1 to 64 characters of letters, digits, dot, underscore and dash: it appears in URLs, Kafka keys, environment variables and file
/// names, and needs no escaping there.
/// </summary>
public static partial class TaskIds
{
    public const string Rule = "1 to 64 characters of A-Z, a-z, 0-9, dot, underscore and dash, and not only dots";

    /// <summary>A new id that sorts by time of creation (UUID version 7).</summary>
    public static string New() => Guid.CreateVersion7().ToString();

    /// <summary>Whether it looks like an id that the API has made, and so is unique: a UUID of version 7, or an id derived from a caller's key.</summary>
    public static bool IsMade(string id) =>
        id.StartsWith(DerivedPrefix, StringComparison.Ordinal) || (Guid.TryParseExact(id, "D", out var uuid) && uuid.Version == 7);

    /// <summary>Prefix of ids that are derived from a caller's key.</summary>
    public const string DerivedPrefix = "h-";

    public static bool IsValid(string? id) => id is not null && Pattern().IsMatch(id);

    [GeneratedRegex(@"\A(?!\.+\z)[A-Za-z0-9._-]{1,64}\z")]
    private static partial Regex Pattern();
}
