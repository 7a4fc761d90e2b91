using System.Net;
using System.Text;
using System.Text.Json;
using TaskPipeline.TaskWorker.Output;
using Xunit;

namespace TaskPipeline.Tests.Worker;

public sealed class SecretTests
{
    private const string Secret = "p&ss w/rd+ü\"9>?~~";

    [Theory]
    [InlineData("hunter2-long and hunter2 but abc", "*** and *** but abc")]
    [InlineData("hunter2-longhunter2", "******")]
    [InlineData("xhunter22-cdefy", "x***y")]
    public void Every_secret_is_hidden_and_those_that_overlap_together(string printed, string published) =>
        Assert.Equal(published, new SecretMask(new SecretForms(["hunter2", "hunter2-long", "ter22-cdef", "abc"])).Of(printed, isWhole: true));

    [Fact]
    public void A_secret_is_hidden_in_base64_wherever_it_lies_in_what_was_encoded()
    {
        var forms = new SecretForms([Secret]);
        for (var before = 0; before < 9; before++)
            for (var after = 0; after < 4; after++)
            {
                byte[] bytes = [.. Enumerable.Repeat((byte)0xA7, before), .. Encoding.UTF8.GetBytes(Secret), .. Enumerable.Repeat((byte)0x5B, after)];
                foreach (var encoded in (string[])
                    [Convert.ToBase64String(bytes), Convert.ToBase64String(bytes).Replace('+', '-').Replace('/', '_').TrimEnd('=')])
                {
                    var published = new SecretMask(forms).Of(encoded, isWhole: true);
                    Assert.Contains("***", published, StringComparison.Ordinal);
                    // What is left of it are the characters that other bytes have a part in.
                    Assert.True(published.Length - 3 <= ((before + 2) / 3 * 4) + ((after + 2) / 3 * 4) + 4, published);
                }
            }
    }

    [Fact]
    public void A_secret_is_hidden_as_part_of_a_URL_and_in_JSON()
    {
        string[] encoded =
        [
            Uri.EscapeDataString(Secret), WebUtility.UrlEncode(Secret), WebUtility.UrlEncode(Secret).ToLowerInvariant(),
            JsonSerializer.Serialize(Secret)[1..^1], $"p&ss w/rd+ü\\\"9>?~~",
        ];
        foreach (var form in encoded)
            Assert.Equal("a=***&b", new SecretMask(new SecretForms([Secret])).Of($"a={form}&b", isWhole: true));
    }

    [Fact]
    public void Of_a_secret_with_several_lines_each_is_hidden()
    {
        var mask = new SecretMask(new SecretForms(["-----BEGIN KEY-----\nMIIEvQIBADAN\r\nyes\n-----END KEY-----\n"]));
        Assert.Equal("***", mask.Of("MIIEvQIBADAN", isWhole: true));
        Assert.Equal("yes", mask.Of("yes", isWhole: true));
    }

    [Fact]
    public void However_a_line_is_cut_no_part_of_a_secret_is_seen()
    {
        string[] secrets = ["correct-horse", "horse-battery", "staple"];
        const string Line = "a correct-horse-battery b staple, correct-hors stapl";
        for (var first = 0; first <= Line.Length; first++)
            for (var second = first; second <= Line.Length; second++)
            {
                var mask = new SecretMask(new SecretForms(secrets));
                var published = mask.Of(Line[..first], false) + mask.Of(Line[first..second], false) + mask.Of(Line[second..], true);
                Assert.Equal("a *** b ***, correct-hors stapl", published);
                Assert.False(mask.HasHeld);
            }
    }

    [Fact]
    public void A_secret_across_two_parts_of_a_long_line_is_hidden()
    {
        for (var shift = 0; shift < 40; shift++)
        {
            var found = new List<TextPart>();
            var text = new OutputText(new SecretForms(["correct-horse-battery-staple"]), found.Add);
            var splitter = new LineSplitter(text.Take);
            splitter.Feed([
                .. Enumerable.Repeat((byte)'.', LineSplitter.PartBytes - shift),
                .. "correct-horse-battery-staple"u8,
                .. Enumerable.Repeat((byte)'.', 100),
                (byte)'\n']);
            Assert.Equal(new string('.', LineSplitter.PartBytes - shift) + "***" + new string('.', 100), string.Concat(found.Select(part => part.Text)));
        }
    }

    [Fact]
    public void A_secret_that_comes_in_two_halves_with_a_pause_between_is_hidden()
    {
        var found = new List<TextPart>();
        var text = new OutputText(new SecretForms(["correct-horse"]), found.Add);
        var splitter = new LineSplitter(text.Take);
        splitter.Feed("key: correct-"u8);
        splitter.FlushPartial();
        splitter.Feed("horse\n"u8);
        Assert.Equal([("key: ", 1, false), ("***", 2, true)], found.Select(part => (part.Text, part.Part!.Value, part.Last!.Value)));
    }

    /// <summary>A secret that overlaps itself could be held back for ever.</summary>
    [Fact]
    public void A_line_that_is_nothing_but_a_secret_over_and_over_takes_bounded_memory()
    {
        var mask = new SecretMask(new SecretForms(["aaaa"]));
        var published = new StringBuilder();
        for (var piece = 0; piece < 40; piece++)
            published.Append(mask.Of(new string('a', 10_000), isWhole: false));
        published.Append(mask.Of("b", isWhole: true));
        Assert.Equal("***b", published.ToString());
    }
}
