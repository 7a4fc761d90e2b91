using System.Text;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskWorker.Output;
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
    [InlineData("a\r", "a")]
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
    public void A_line_of_16_MiB_is_whole_and_of_a_longer_one_it_is_told_how_much_is_left_out()
    {
        byte[] line = [.. Enumerable.Repeat((byte)'x', LineSplitter.MostLineBytes), (byte)'\n'];
        Assert.Equal(LineSplitter.MostLineBytes, Split(line).Sum(part => part.Text.Length));
        Assert.All(Split(line), part => Assert.Null(part.Cut));

        var parts = Split([.. line[..^1], .. "yyy\nnext\n"u8]);
        Assert.Equal(LineSplitter.MostLineBytes, parts[..^2].Sum(part => part.Text.Length));
        Assert.Equal(("[3 more bytes of this line are left out]", true, 3L), (parts[^2].Text, parts[^2].Last, parts[^2].Cut));
        Assert.Equal(("next", null), (parts[^1].Text, parts[^1].Cut));
        Assert.Equal(line.Length + 5, parts.Sum(part => part.Size));
    }

    [Theory]
    [InlineData("\r20%\r30%", 4, "30%")]
    [InlineData("\r20%\r30%\r", 5, "30%")]
    [InlineData("more\r20% hunter2 of 100%", 4, "20% *** of 100%")]
    [InlineData("\r100%", 0, "100%")]
    public void Of_a_longer_line_that_is_written_over_the_last_state_is_kept(string rest, int leftOut, string state)
    {
        byte[] line = [.. Enumerable.Repeat((byte)'x', LineSplitter.MostLineBytes), .. Encoding.UTF8.GetBytes(rest), .. "\nnext\n"u8];
        foreach (var pieceLength in new[] { 1000_003, line.Length })
        {
            var parts = new List<TextPart>();
            var splitter = new LineSplitter(new OutputText(new SecretForms(["hunter2"]), parts.Add).Take);
            for (var from = 0; from < line.Length; from += pieceLength)
                splitter.Feed(line.AsSpan(from, Math.Min(pieceLength, line.Length - from)));
            Assert.Equal((leftOut, rest.Length), (parts.Sum(part => part.Cut ?? 0), splitter.Cut));
            Assert.Equal("next", parts[^1].Text);
            Assert.Equal(("\r" + state, true), (parts[^2].Text, parts[^2].Last));
            Assert.All(parts[..^2], part => Assert.False(part.Last));
            var last = new LastLines(10, 100);
            foreach (var (part, seq) in parts.Select((part, seq) => (part, seq)))
                last.Add(new OutputLine(seq, OutputStream.Stderr, part.Text, default, part.Part, part.Last, part.Cut));
            Assert.Equal(state + "\nnext", last.ToString());
        }
    }

    [Theory]
    [InlineData("one\ntwo\n\n \n", "one\ntwo")]
    [InlineData("10%\r20%\r30%\n", "30%")]
    [InlineData("10%\r20%\r", "20%")]
    [InlineData("copy: /10%\r/20%\r/30% /done\n", "30% done")]
    [InlineData("a/\r\nb\n", "a\nb")]
    [InlineData("\r\n", "")]
    public void The_last_lines_for_people_are_whole_and_as_they_stood_last(string printed, string expected)
    {
        var last = new LastLines(20, 2000);
        var text = new OutputText(new SecretForms([]), part => last.Add(new OutputLine(1, OutputStream.Stderr, part.Text, default, part.Part, part.Last)));
        var splitter = new LineSplitter(text.Take);
        foreach (var piece in printed.Split('/'))
        {
            splitter.Feed(Encoding.UTF8.GetBytes(piece));
            splitter.FlushPartial();
        }
        splitter.Complete();
        text.Complete();
        Assert.Equal(expected, last.ToString());
    }

    [Fact]
    public void Of_many_or_long_lines_the_end_is_kept_and_no_character_is_cut()
    {
        var last = new LastLines(3, 101);
        foreach (var text in new[] { "one", "two", "three", "four" })
            last.Add(new OutputLine(1, OutputStream.Stderr, text, default));
        Assert.Equal("two\nthree\nfour", last.ToString());
        var emoji = string.Concat(Enumerable.Repeat("🎉", 40_000));
        foreach (var part in Split(Encoding.UTF8.GetBytes(emoji + "\n")))
            last.Add(new OutputLine(1, OutputStream.Stderr, part.Text, default, part.Part, part.Last));
        Assert.Equal(emoji[..100], last.ToString());
    }

    [Fact]
    public void Bytes_that_are_no_text_and_a_byte_order_mark_are_not_guessed_at()
    {
        Assert.Equal(["\ufffd\ufffda"], Split([0xFF, 0xFE, (byte)'a', (byte)'\n']).Select(line => line.Text));
        var parts = Split([.. Enumerable.Repeat((byte)0x80, 100_000)]);
        Assert.Equal(100_000, parts.Sum(part => part.Text.Length));
        Assert.All(parts, part => Assert.True(Encoding.UTF8.GetByteCount(part.Text) <= LineSplitter.PartBytes));
    }

    [Theory]
    [InlineData("Name: ", "Ada\n", "Name: /Ada|")]
    [InlineData("working", "\nnext\n", "working/|next|")]
    [InlineData("10%\r", "20%\r\n\n", "10%/\r20%||")]
    [InlineData("half a character: \u00e4", "", "half a character: ä/|")]
    [InlineData("\u001b[2J", "\nx\n", "|x|")]
    public void What_there_is_of_an_unfinished_line_is_handed_on_as_a_part_of_it(string printed, string later, string expected)
    {
        var found = new StringBuilder();
        var text = new OutputText(new SecretForms([]), part => found.Append(part.Text).Append(part.Last == false ? '/' : '|'));
        var splitter = new LineSplitter(text.Take);
        splitter.Feed(Encoding.UTF8.GetBytes(printed));
        splitter.FlushPartial();
        splitter.Feed(Encoding.UTF8.GetBytes(later));
        splitter.Complete();
        text.Complete();
        Assert.Equal(expected, found.ToString());
    }

    [Fact]
    public void A_character_of_which_only_the_first_bytes_have_come_is_waited_for()
    {
        var found = new List<TextPart>();
        var splitter = new LineSplitter(new OutputText(new SecretForms([]), found.Add).Take);
        splitter.Feed([0xF0, 0x9F]);
        splitter.FlushPartial();
        Assert.Empty(found);
        splitter.Feed([0x8E, 0x89, (byte)'\n']);
        Assert.Equal("🎉", Assert.Single(found).Text);
    }

    [Theory]
    [InlineData("\u001b[31mred\u001b[0m", "\u001b[31mred\u001b[0m")]
    [InlineData("\u001b[2J\u001b[Hcleared", "cleared")]
    [InlineData("\u001b[>4;2mxterm", "xterm")]
    [InlineData("\u001b]0;title\u0007text", "text")]
    [InlineData("\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\", "link")]
    [InlineData("nul\0nul", "nulnul")]
    [InlineData("cut \u001b[3", "cut ")]
    [InlineData("\u001b[3\u001b[31mred", "\u001b[31mred")]
    [InlineData("\u001b(Bplain", "plain")]
    [InlineData("\u001b", "")]
    public void Colours_are_kept_and_other_escapes_are_not(string printed, string published) =>
        Assert.Equal(published, Assert.Single(Split(Encoding.UTF8.GetBytes(printed + "\n"))).Text);

    private static List<TextPart> Split(byte[] bytes)
    {
        var found = new List<TextPart>();
        var text = new OutputText(new SecretForms([]), found.Add);
        var splitter = new LineSplitter(text.Take);
        splitter.Feed(bytes);
        splitter.Complete();
        text.Complete();
        return found;
    }
}
