using System.Text.RegularExpressions;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A task's id is 1–64 characters out of letters, digits, dot, underscore and dash: it appears in URLs, Kafka keys,
/// environment variables and file names, and must never need escaping there.
/// </summary>
public static partial class TaskIds
{
    public const string Rule = "1 to 64 characters of A-Z, a-z, 0-9, dot, underscore and dash, and not only dots";

    /// <summary>A new id that sorts by time of creation (UUID version 7).</summary>
    public static string New() => Guid.CreateVersion7().ToString();

    /// <summary>
    /// Whether it looks like one that the API has made, of which nobody else makes the same: a UUID of version 7, or one that it has derived from a
    /// caller's key.
    /// </summary>
    public static bool IsMade(string id) =>
        id.StartsWith(DerivedPrefix, StringComparison.Ordinal) || (Guid.TryParseExact(id, "D", out var uuid) && uuid.Version == 7);

    /// <summary>What ids begin with that were derived from a caller's key.</summary>
    public const string DerivedPrefix = "h-";

    public static bool IsValid(string? id) => id is not null && Pattern().IsMatch(id);

    [GeneratedRegex(@"\A(?!\.+\z)[A-Za-z0-9._-]{1,64}\z")]
    private static partial Regex Pattern();
}
