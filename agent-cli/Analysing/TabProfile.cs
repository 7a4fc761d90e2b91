using System.Text.Json;
using System.Text.Json.Serialization;

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>The profiles of a tab's columns over the rows seen so far.</summary>
internal sealed class TabProfile
{
    public required string ImportId { get; init; }

    public required List<ColumnProfile> Columns { get; init; }

    public long Rows { get; set; }

    public static TabProfile Of(string importId, IEnumerable<string> columns)
    {
        return new TabProfile { ImportId = importId, Columns = [.. columns.Select(column => new ColumnProfile { Name = column })] };
    }

    public void Add(int row, JsonElement cells)
    {
        Rows++;
        var index = 0;
        foreach (var cell in cells.EnumerateArray())
            Columns[index++].Add(row, Cell.Of(cell));
    }

    public void Merge(TabProfile later)
    {
        Rows += later.Rows;
        foreach (var (column, more) in Columns.Zip(later.Columns))
            column.Merge(more);
    }
}

[JsonSerializable(typeof(List<TabProfile>))]
[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
internal sealed partial class ProfileJson : JsonSerializerContext;
