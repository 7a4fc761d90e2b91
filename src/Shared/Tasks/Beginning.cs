using System.Diagnostics.CodeAnalysis;

namespace TaskPipeline.Shared.Tasks;

public static class Beginning
{
    /// <summary>At most so many UTF-16 units of a text; never half of a surrogate pair at its end, which no record could hold.</summary>
    [return: NotNullIfNotNull(nameof(text))]
    public static string? Of(string? text, int most) =>
        text is null || text.Length <= most ? text : text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)];

    /// <summary>The same with an ellipsis where something was cut.</summary>
    [return: NotNullIfNotNull(nameof(text))]
    public static string? Shown(string? text, int most) => text is null || text.Length <= most ? text : Of(text, most) + "…";
}
