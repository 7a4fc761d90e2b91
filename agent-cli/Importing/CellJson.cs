using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using TaskPipeline.AgentCli.Workbooks;

namespace TaskPipeline.AgentCli.Importing;

/// <summary>A row's cells as a JSON array: texts, numbers, booleans and nulls as such, dates in ISO form, errors as {"error": "#N/A"}.</summary>
internal static class CellJson
{
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(SheetRow row, IReadOnlyList<TabColumn> columns)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Readable))
        {
            json.WriteStartArray();
            foreach (var column in columns)
                Write(json, column.Index < row.Cells.Length ? row.Cells[column.Index] : null);
            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter json, object? cell)
    {
        switch (cell)
        {
            case null:
                json.WriteNullValue();
                break;
            case double number:
                json.WriteNumberValue(number);
                break;
            case bool isTrue:
                json.WriteBooleanValue(isTrue);
                break;
            case DateTime date:
                json.WriteStringValue(Iso(date));
                break;
            case CellError error:
                json.WriteStartObject();
                json.WriteString("error", error.Code);
                json.WriteEndObject();
                break;
            default:
                // PostgreSQL texts cannot contain NUL, and in a cell it means nothing.
                json.WriteStringValue(Convert.ToString(cell, CultureInfo.InvariantCulture)!.Replace("\0", string.Empty, StringComparison.Ordinal));
                break;
        }
    }

    private static string Iso(DateTime date)
    {
        // A cell with a time but no date has day zero.
        if (date.Year < 1900)
            return date.ToString("HH:mm:ss", CultureInfo.InvariantCulture);
        return date.ToString(date.TimeOfDay == TimeSpan.Zero ? "yyyy-MM-dd" : "yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture);
    }
}
