using System.Diagnostics.CodeAnalysis;

namespace TaskPipeline.Shared.Tasks;

public static class Beginning
{
    /// <summary>At most so many UTF-16 units of a text, without half of a surrogate pair at the end, which no record can hold.</summary>
    [return: NotNullIfNotNull(nameof(text))]
    public static string? Of(string? text, int most) =>
        text is null || text.Length <= most ? text : text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)];

    /// <summary>The same, with an ellipsis if the text was cut.</summary>
    [return: NotNullIfNotNull(nameof(text))]
    public static string? Shown(string? text, int most) => text is null || text.Length <= most ? text : Of(text, most) + "…";
}
