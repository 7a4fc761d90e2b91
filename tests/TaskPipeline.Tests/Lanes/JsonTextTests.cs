using System.Buffers;
using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using Xunit;

namespace TaskPipeline.Tests.Lanes;

public sealed class JsonTextTests
{
    private const int Depth = 5;

    private static readonly byte[][] Pieces =
    [
        "{"u8.ToArray(), "}"u8.ToArray(), "["u8.ToArray(), "]"u8.ToArray(), ","u8.ToArray(), ":"u8.ToArray(), "\""u8.ToArray(), "\\"u8.ToArray(), "\\\\"u8.ToArray(), "\\u"u8.ToArray(),
        "\\ud800"u8.ToArray(), "\\udc00"u8.ToArray(), "\\uD83D\\uDE00"u8.ToArray(), "\\u00e9"u8.ToArray(), "\\n"u8.ToArray(), "\n"u8.ToArray(), " "u8.ToArray(), "é😀"u8.ToArray(),
        [0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0], "a"u8.ToArray(), "1e999"u8.ToArray(), "-0.5"u8.ToArray(), "true"u8.ToArray(), "null"u8.ToArray(), "\"a\":"u8.ToArray(), "\"b\""u8.ToArray(),
    ];

    [Theory]
    [InlineData("""{"params":{"note":"\ud800"}}""", "params.note", 19, "surrogate")]
    [InlineData("""{"params":{"note":"ab\udc00\ud800"}}""", "params.note", 21, "surrogate")]
    [InlineData("""{"params":{"note":"\ud83d\ude00\\ud800\ud83dx"}}""", "params.note", 38, "surrogate")]
    [InlineData("""{"labels":{"a\ud800":1}}""", @"labels.a\ud800", 13, "name that has half of a surrogate")]
    [InlineData("""{"\u0061b":["x",{"c":"\ud800"}]}""", "ab[1].c", 22, "surrogate")]
    [InlineData("""["x","\ud800"]""", "[1]", 6, "surrogate")]
    [InlineData("""
        "\ud800"
        """, "", 1, "surrogate")]
    [InlineData("""{"a":"ÿ"}""", "a", 6, "not UTF-8")]
    [InlineData("""{"aÿ":"b"}""", "a\ufffd", 3, "name that has bytes that are not UTF-8")]
    [InlineData("""{"a":ÿ}""", "", 5, "is not valid JSON")]
    [InlineData("""{"a":[[[[1]]]]}""", null, 0, "")]
    [InlineData("""{"a":[[[[[]]]]]}""", "a[0][0][0][0]", 9, "nested too deep: 5 levels")]
    [InlineData("""{"a":1,"b":[[[[{}]]]]}""", "b[0][0][0][0]", 15, "nested too deep")]
    [InlineData("""{"a":1""", "", 6, "is not valid JSON")]
    [InlineData("{\n\"a\":1,\n x}", "", 10, "is not valid JSON: 'x' is an invalid start of a property name")]
    [InlineData("", "", 0, "is not valid JSON")]
    [InlineData("{} {}", "", 3, "is not valid JSON")]
    public void It_names_the_first_problem_with_its_path_and_its_place(string latin1, string? path, int at, string reason)
    {
        var error = JsonText.Check(Encoding.Latin1.GetBytes(latin1), Depth);

        if (path is null)
            Assert.Null(error);
        else
            Assert.Equal((path, at), (error?.Path, error?.Byte));
        Assert.Contains(reason, error?.Reason ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void A_place_is_counted_as_people_count()
    {
        var json = "{\n  \"a\": 1,\n  \"b\": \"x\\ud800\"\n}"u8;

        Assert.Equal((3, 10), JsonText.Check(json, Depth)!.PlaceIn(json));
        Assert.Equal((1, 1), JsonText.Check([], Depth)!.PlaceIn([]));
    }

    [Fact]
    public void A_long_name_is_shortened()
    {
        var error = JsonText.Check(Encoding.UTF8.GetBytes($$"""{"{{new string('n', 63)}}😀 and so on":"\ud800"}"""), Depth);

        Assert.Equal(new string('n', 63) + "…", error?.Path);
    }

    [Fact(Timeout = 120_000)]
    public async Task No_bytes_make_it_throw_and_what_it_lets_pass_can_be_read_and_written() => await Task.Run(() =>
    {
        var (passed, refused) = (0, 0);
        var buffer = new ArrayBufferWriter<byte>();
        for (var seed = 0; seed < 200_000; seed++)
        {
            var json = RandomJson(new Random(seed));
            if (JsonText.Check(json, Depth) is { } error)
            {
                refused++;
                Assert.True(error.Byte >= 0 && error.Byte <= json.Length, $"seed {seed}: {error}");
                JsonSerializer.SerializeToUtf8Bytes(error);
                error.PlaceIn(json);
                continue;
            }
            passed++;
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = Depth });
            ReadAll(document.RootElement);
            buffer.ResetWrittenCount();
            using var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { MaxDepth = Depth });
            document.RootElement.WriteTo(writer);
        }
        Assert.True(passed > 20_000 && refused > 20_000, $"{passed} passed, {refused} were refused");
    });

    /// <summary>And nothing that could be read is refused.</summary>
    [Fact(Timeout = 120_000)]
    public async Task What_it_refuses_cannot_be_read() => await Task.Run(() =>
    {
        for (var seed = 0; seed < 50_000; seed++)
        {
            var json = RandomJson(new Random(seed));
            if (JsonText.Check(json, Depth) is not { } error)
                continue;
            Assert.ThrowsAny<Exception>(() =>
            {
                using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = Depth });
                ReadAll(document.RootElement);
            });
        }
    });

    private static void ReadAll(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.String)
            Assert.NotNull(element.GetString());
        else if (element.ValueKind == JsonValueKind.Array)
            foreach (var inner in element.EnumerateArray())
                ReadAll(inner);
        else if (element.ValueKind == JsonValueKind.Object)
            foreach (var property in element.EnumerateObject())
            {
                Assert.NotNull(property.Name);
                ReadAll(property.Value);
            }
    }

    /// <summary>A value as it should be, in two of three with something else put into it somewhere.</summary>
    private static byte[] RandomJson(Random random)
    {
        var json = new List<byte>();
        AddValue(json, random, random.Next(Depth + 2));
        for (var spoils = random.Next(3); spoils > 0; spoils--)
            json.InsertRange(random.Next(json.Count + 1), Pieces[random.Next(Pieces.Length)]);
        return [.. json];
    }

    private static void AddValue(List<byte> json, Random random, int depth)
    {
        var (isArray, count) = (random.Next(2) == 0, random.Next(1, 4));
        if (depth == 0)
        {
            json.AddRange(random.Next(3) switch { 0 => "12"u8, 1 => "false"u8, _ => "\"té\\u00e9\\ud83d\\ude00\""u8 });
            return;
        }
        json.Add((byte)(isArray ? '[' : '{'));
        for (var i = 0; i < count; i++)
        {
            if (i > 0)
                json.Add((byte)',');
            if (!isArray)
                json.AddRange(Encoding.UTF8.GetBytes($"\"n\\u00e9{i}\":"));
            AddValue(json, random, random.Next(depth));
        }
        json.Add((byte)(isArray ? ']' : '}'));
    }
}
