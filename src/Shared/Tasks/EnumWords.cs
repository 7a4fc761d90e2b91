using System.Text.Json;

namespace TaskPipeline.Shared.Tasks;

/// <summary>The words for values of enumerations in JSON, in the catalogue and in queries: snake_case.</summary>
public static class EnumWords
{
    public static string Word<T>(this T value) where T : struct, Enum => Words<T>.All[value];

    /// <summary>The value with that word; null: there is none.</summary>
    public static T? Find<T>(string word) where T : struct, Enum => Words<T>.Values.TryGetValue(word, out var value) ? value : null;

    /// <summary>All words, for an error message.</summary>
    public static string List<T>() where T : struct, Enum => string.Join(", ", Words<T>.All.Values);

    private static class Words<T> where T : struct, Enum
    {
        public static readonly IReadOnlyDictionary<T, string> All = Enum.GetValues<T>()
            .ToDictionary(value => value, value => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()));
        public static readonly IReadOnlyDictionary<string, T> Values = All.ToDictionary(word => word.Value, word => word.Key);
    }
}
