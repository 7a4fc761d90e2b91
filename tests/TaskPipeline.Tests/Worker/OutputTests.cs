using System.Text;
using TaskPipeline.TaskWorker.Running;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class OutputTests
{
    [Theory]
    [InlineData("a\nb\n", "a|b")]
    [InlineData("a\nb", "a|b")]
    [InlineData("\n\n", "|")]
    [InlineData("a\r\nb\r\n", "a|b")]
    [InlineData("10%\r20%\r30%\n", "10%\r20%\r30%")]
    [InlineData("", null)]
    public void Lines_are_split_at_newlines(string output, string? expected) =>
        Assert.Equal(expected?.Split('|') ?? [], Split(Encoding.UTF8.GetBytes(output)).Select(line => line.Text));

    [Fact]
    public void A_line_longer_than_a_part_comes_in_numbered_parts_that_never_cut_a_character()
    {
        var text = string.Concat(Enumerable.Repeat("añ€🙂", 30_000));
        var parts = Split(Encoding.UTF8.GetBytes(text + "\nshort\n"));
        Assert.Equal("short", parts[^1].Text);
        Assert.Null(parts[^1].Part);
        var line = parts[..^1];
        Assert.Equal(text, string.Concat(line.Select(part => part.Text)));
        Assert.Equal(Enumerable.Range(1, line.Count), line.Select(part => part.Part!.Value));
        Assert.Equal(line.Select((_, i) => i == line.Count - 1), line.Select(part => part.Last!.Value));
        Assert.All(line, part => Assert.True(Encoding.UTF8.GetByteCount(part.Text) <= LineSplitter.PartBytes));
    }

    [Fact]
    public void Bytes_that_are_no_text_and_a_byte_order_mark_are_not_guessed_at()
    {
        Assert.Equal(["\ufffd\ufffda"], Split([0xFF, 0xFE, (byte)'a', (byte)'\n']).Select(line => line.Text));
        Assert.Equal(100_000, Split([.. Enumerable.Repeat((byte)0x80, 100_000)]).Sum(line => line.Text.Length));
    }

    /// <summary>Random bytes in random pieces give what a slow and obvious splitter gives.</summary>
    [Fact]
    public void However_the_bytes_arrive_the_lines_are_the_same()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var bytes = new byte[random.Next(1, 50_000)];
            random.NextBytes(bytes);
            for (var i = 0; i < bytes.Length; i += random.Next(1, 200))
                bytes[i] = (byte)'\n';
            var expected = Encoding.Latin1.GetString(bytes).Split('\n').ToList();
            if (expected[^1].Length == 0)
                expected.RemoveAt(expected.Count - 1);
            var found = new List<string>();
            var splitter = new LineSplitter(part => found.Add(Encoding.Latin1.GetString(part.Bytes)));
            for (var from = 0; from < bytes.Length;)
            {
                var length = Math.Min(random.Next(1, 4000), bytes.Length - from);
                splitter.Feed(bytes.AsSpan(from, length));
                from += length;
            }
            splitter.Complete();
            Assert.Equal(expected.Select(line => line.EndsWith('\r') ? line[..^1] : line), found);
        }
    }

    [Fact]
    public void A_partial_line_is_handed_on_and_what_follows_is_a_line_of_its_own()
    {
        var found = new List<string>();
        var splitter = new LineSplitter(part => found.Add(Encoding.UTF8.GetString(part.Bytes)));
        splitter.Feed("Name: "u8);
        splitter.FlushPartial();
        splitter.Feed("Ada\n"u8);
        splitter.Complete();
        Assert.Equal(["Name: ", "Ada"], found);
    }

    [Theory]
    [InlineData("\u001b[31mred\u001b[0m", "\u001b[31mred\u001b[0m")]
    [InlineData("\u001b[2J\u001b[Hcleared", "cleared")]
    [InlineData("\u001b]0;title\u0007text", "text")]
    [InlineData("\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\", "link")]
    [InlineData("nul\0nul", "nulnul")]
    [InlineData("cut \u001b[3", "cut ")]
    [InlineData("\u001b(Bplain", "plain")]
    [InlineData("\u001b", "")]
    public void Colours_are_kept_and_other_escapes_are_not(string printed, string published) =>
        Assert.Equal(published, new OutputText([]).Of(Encoding.UTF8.GetBytes(printed)));

    [Fact]
    public void Secrets_are_masked_the_longest_first()
    {
        var text = new OutputText(["hunter2", "hunter2-long", "abc"]);
        Assert.Equal("*** and *** but abc", text.Of("hunter2-long and hunter2 but abc"u8));
    }

    private static List<(string Text, int? Part, bool? Last)> Split(byte[] bytes)
    {
        var found = new List<(string, int?, bool?)>();
        var splitter = new LineSplitter(part => found.Add((Encoding.UTF8.GetString(part.Bytes), part.Part, part.Last)));
        splitter.Feed(bytes);
        splitter.Complete();
        return found;
    }
}
