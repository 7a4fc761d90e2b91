using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace TaskPipeline.Shared.Tasks;

/// <summary>
/// A file in the topic <c>task-files</c>. It contains everything that is needed to read it, so there is no index. The chunks are records with the
/// keys <c>{id}/0</c>, <c>{id}/1</c> …, in one partition; records of other files can be in between.
/// </summary>
/// <param name="Id">A UUID of version 7, which contains the time of storage.</param>
/// <param name="Offset">Offset of the first chunk.</param>
/// <param name="Size">In bytes.</param>
/// <param name="Sha256">Hash of the whole file, 64 hexadecimal digits.</param>
/// <param name="Name">Its owner's name for it; valid as a file name everywhere.</param>
public sealed partial record FileReference(Guid Id, int Partition, long Offset, int Chunks, long Size, string Sha256, string Name)
{
    /// <summary>Bytes of every chunk but the last.</summary>
    public const int ChunkBytes = 512 * 1024;

    public static readonly string NameRule =
        "1 to 100 characters and at most 255 bytes of UTF-8: letters, digits, marks and symbols of any script, spaces and punctuation except / \\ : * ? "
        + "\" < > | ` $ ^, not beginning with a dot, dash, space or mark";

    private const int MostCharacters = 100;
    private const int MostBytes = 255;   // limit of file systems
    private const string Refused = "/\\:*?\"<>|`$^";

    public DateTimeOffset StoredAt =>
        DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(Id.ToString("N")[..12], NumberStyles.HexNumber, CultureInfo.InvariantCulture));

    public string KeyOf(int chunk) => $"{Id:N}/{chunk}";

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"file:{Id:N}.{Partition}.{Offset}.{Chunks}.{Size}.{Sha256}/{Name}");

    public static bool IsName(string name) =>
        name.EnumerateRunes().ToList() is { Count: >= 1 and <= MostCharacters } characters
        && Encoding.UTF8.GetByteCount(name) <= MostBytes
        && characters.TrueForAll(IsInName)
        && Rune.GetUnicodeCategory(characters[0]) is not (
            UnicodeCategory.SpaceSeparator or UnicodeCategory.DashPunctuation or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.EnclosingMark or UnicodeCategory.Format)
        && characters[0].Value != '.';

    /// <summary>Null: it is not a reference.</summary>
    public static FileReference? Parse(string text)
    {
        if (Pattern().Match(text) is not { Success: true } match || !IsName(match.Groups[7].Value)
            || !Guid.TryParseExact(match.Groups[1].Value, "N", out var id))
            return null;
        return int.TryParse(match.Groups[2].Value, out var partition) && long.TryParse(match.Groups[3].Value, out var offset)
            && int.TryParse(match.Groups[4].Value, out var chunks) && long.TryParse(match.Groups[5].Value, out var size)
            ? new FileReference(id, partition, offset, chunks, size, match.Groups[6].Value, match.Groups[7].Value)
            : null;
    }

    [GeneratedRegex(@"\Afile:([0-9a-f]{32})\.([0-9]{1,9})\.([0-9]{1,18})\.([0-9]{1,9})\.([0-9]{1,18})\.([0-9a-f]{64})/(.*)\z")]
    private static partial Regex Pattern();

    /// <summary>
    /// Excludes characters that file systems refuse, that change how adjacent text is displayed, or that are special to a shell even in double quotes.
    /// </summary>
    private static bool IsInName(Rune character) => Rune.GetUnicodeCategory(character) switch
    {
        UnicodeCategory.SpaceSeparator => character.Value == ' ',
        UnicodeCategory.Format => character.Value is 0x200C or 0x200D,   // Persian, Hindi and some emoji need these two
        UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned => false,
        _ => character.Value != Rune.ReplacementChar.Value && !(character.IsAscii && Refused.Contains((char)character.Value, StringComparison.Ordinal)),
    };
}
