using System.Text;
using System.Text.Json;
using TaskPipeline.Shared.Tasks;
using Xunit;

namespace TaskPipeline.Tests.Lanes;

/// <summary>Records of lines are read by hand: what comes out, and what is refused, is what the check of the whole and then the serializer say.</summary>
public sealed class OutputLinesTests
{
    private const string Whole = """{"kind":"lines","v":1,"task_id":"t","attempt":1,"epoch":8,"owner":"o","at":"2026-03-01T09:30:02+00:00","lines":[{"seq":1,"stream":"stdout","text":"é \" \\ \u001b[1m","at":"2026-03-01T09:30:02.5+00:00"},{"seq":2,"stream":"stderr","text":"","at":"2026-03-01T09:30:02Z","part":2,"last":true,"cut":7}],"update":"x"}""";

    [Theory]
    [InlineData(Whole)]
    [InlineData("""{"task_id":"t","lines":[{"at":"2026-03-01T09:30:02Z","text":"a","new":{"deep":[1]},"stream":"system","seq":3}],"owner":"o","epoch":8,"attempt":1,"kind":"lines","unknown":[{}]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[{"seq":1,"stream":"stdout","text":"\ud83d\ude00","at":"2026-03-01T09:30:02Z","part":null}]}""")]
    public void A_record_is_read_as_the_serializer_reads_it(string json)
    {
        var value = Encoding.UTF8.GetBytes(json);
        Assert.True(TaskJson.TryDecodeProgress(value, out var read, out _));
        var expected = (OutputLines)JsonSerializer.Deserialize(value, TaskJson.Wire.ProgressRecord)!;
        Assert.IsType<OutputLines>(read);
        Assert.Equal((expected.Lines.Count, expected.Lines.First, expected.Lines.Last), read is OutputLines { Lines: var lines } ? (lines.Count, lines.First, lines.Last) : default);
        Assert.Equal(WithoutUpdate(expected), WithoutUpdate((OutputLines)read!));
    }

    [Theory]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[null]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":null}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o"}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"lines":[]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[{"seq":1,"stream":"stdin","text":"a","at":"2026-03-01T09:30:02Z"}]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[{"seq":1,"stream":"stdout","at":"2026-03-01T09:30:02Z"}]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[{"seq":"1","stream":"stdout","text":"a","at":"2026-03-01T09:30:02Z"}]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[{"seq":1,"stream":"stdout","text":"\ud800","at":"2026-03-01T09:30:02Z"}]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[{"seq":1,"stream":"stdout","text":"a","at":"yesterday"}]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[{"seq":1,"stream":"stdout","text":"a","at":"2026-03-01T09:30:02Z","part":true}]}""")]
    [InlineData("""{"kind":"lines","task_id":"t","attempt":1,"epoch":8,"owner":"o","lines":[]} x""")]
    [InlineData("""[]""")]
    public void What_the_serializer_refuses_is_refused(string json)
    {
        Assert.False(TaskJson.TryDecodeProgress(Encoding.UTF8.GetBytes(json), out _, out var error));
        Assert.NotNull(error);
    }

    [Fact]
    public void Damaged_records_are_read_or_refused_as_the_serializer_does_it()
    {
        var random = new Random(17);
        var whole = Encoding.UTF8.GetBytes(Whole);
        for (var round = 0; round < 20_000; round++)
        {
            var value = whole.ToArray();
            for (var damages = random.Next(1, 4); damages > 0; damages--)
                value[random.Next(value.Length)] = random.Next(4) == 0 ? (byte)random.Next(256) : whole[random.Next(whole.Length)];
            var isRead = TaskJson.TryDecodeProgress(value, out var read, out _);
            var expected = Expected(value);
            Assert.True(isRead == expected is not null, Encoding.UTF8.GetString(value));
            if (read is OutputLines lines)
                Assert.Equal(WithoutUpdate((OutputLines)expected!), WithoutUpdate(lines));
        }
    }

    private static ProgressRecord? Expected(byte[] value)
    {
        try
        {
            return JsonText.Check(value, TaskJson.MostRecordDepth) is null ? JsonSerializer.Deserialize(value, TaskJson.Wire.ProgressRecord) : null;
        }
        catch (Exception exception) when (exception is JsonException or NotSupportedException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string WithoutUpdate(OutputLines lines) => Encoding.UTF8.GetString(TaskJson.Encode(lines with { Update = null, Lines = [.. lines.Lines] }));
}
