using System.Text;
using System.Text.RegularExpressions;
using TaskPipeline.TaskWorker.Output;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>Ten million random bytes in random pieces give what a slow and obvious reference gives, which has all of a stream at once.</summary>
public sealed partial class OutputFuzzTests
{
    private const int Streams = 200;
    private const int StreamBytes = 50_000;
    private static readonly string[] Secrets = ["hunter2", "hunter2-long", "g-\u00fcber-g", "abcabc", "x/y+z=w&v"];

    private static readonly byte[][] Tokens =
    [
        [(byte)'\n'], "\r\n"u8.ToArray(), [(byte)'\r'], [0], [0x1b], "\u001b["u8.ToArray(), "\u001b[1;31m"u8.ToArray(),
        "\u001b[2K"u8.ToArray(), "\u001b]0;"u8.ToArray(), [7], "\u001b\\"u8.ToArray(),
        "plain text "u8.ToArray(), "Grüße 🎉"u8.ToArray(), [0xFF, 0xFE], [0xC3], [0xF0, 0x9F],
        [0x80], "hunter"u8.ToArray(), "abc"u8.ToArray(), "-long"u8.ToArray(),
        .. Secrets.Select(Encoding.UTF8.GetBytes),
        .. Secrets.Select(secret => Encoding.UTF8.GetBytes(Convert.ToBase64String(Encoding.UTF8.GetBytes("k=" + secret)))),
    ];

    [Theory(Timeout = 300_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task However_the_bytes_arrive_what_is_published_is_the_same(bool hasPauses) => await Task.Run(() =>
    {
        var forms = new SecretForms(Secrets);
        var bytesSeen = 0L;
        for (var seed = 0; seed < Streams; seed++)
        {
            var random = new Random(seed);
            var bytes = RandomStream(random);
            bytesSeen += bytes.Length;
            var parts = new List<TextPart>();
            var text = new OutputText(forms, parts.Add);
            var splitter = new LineSplitter(text.Take);
            var longest = random.Next(3) switch { 0 => 20, 1 => 4_000, _ => 100_000 };
            for (var from = 0; from < bytes.Length;)
            {
                var length = Math.Min(random.Next(1, longest), bytes.Length - from);
                splitter.Feed(bytes.AsSpan(from, length));
                from += length;
                if (hasPauses && splitter.HasPartial && random.Next(3) == 0)
                    splitter.FlushPartial();
            }
            splitter.Complete();
            text.Complete();

            var expected = Reference(bytes, forms.All);
            Same(string.Join('\n', expected), string.Join('\n', Lines(parts)), seed);
            Assert.All(parts, part => Assert.True(Encoding.UTF8.GetByteCount(part.Text) <= LineSplitter.PartBytes));
        }
        Assert.True(bytesSeen >= 10_000_000);
    });

    private static void Same(string expected, string found, int seed)
    {
        if (expected == found)
            return;
        var at = Enumerable.Range(0, Math.Min(expected.Length, found.Length))
            .FirstOrDefault(i => expected[i] != found[i], Math.Min(expected.Length, found.Length));
        Assert.Fail($"seed {seed}, character {at}:\n{Around(expected, at)}\n{Around(found, at)}");
    }

    private static string Around(string text, int at) => System.Text.Json.JsonSerializer.Serialize(text[Math.Max(0, at - 60)..Math.Min(text.Length, at + 60)]);

    private static byte[] RandomStream(Random random)
    {
        var bytes = new List<byte>();
        var (newlines, noise) = (random.Next(4) == 0 ? 0 : random.Next(1, 100), random.Next(1, 100));
        while (bytes.Count < StreamBytes)
        {
            if (random.Next(100) < noise)
            {
                var some = new byte[random.Next(1, 30)];
                random.NextBytes(some);
                bytes.AddRange(some.Where(value => value != '\n'));
            }
            else if (random.Next(400) == 0)
                bytes.AddRange(Enumerable.Repeat((byte)random.Next(' ', 256), random.Next(100_000)));
            else
                bytes.AddRange(Tokens[random.Next(100) < newlines ? 0 : random.Next(1, Tokens.Length)]);
        }
        return [.. bytes];
    }

    private static IEnumerable<string> Lines(List<TextPart> parts)
    {
        var line = new StringBuilder();
        var next = 1;
        foreach (var part in parts)
        {
            Assert.Equal(part.Part is null ? 1 : next++, part.Part ?? next);
            line.Append(part.Text);
            if (part.Last == false)
                continue;
            yield return line.ToString();
            line.Clear();
            next = 1;
        }
        Assert.Equal(0, line.Length);
    }

    private static List<string> Reference(byte[] bytes, IReadOnlyList<string> forms)
    {
        var lines = new List<string>();
        var rest = bytes;
        while (rest.Length > 0)
        {
            var end = Array.IndexOf(rest, (byte)'\n');
            var line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (line.Length > 0 && line[^1] == '\r')
                line = line[..^1];
            var text = Unprintable().Replace(Encoding.UTF8.GetString(line), found => Colour().IsMatch(found.Value) ? found.Value : "");
            lines.Add(Masked(text, forms));
        }
        return lines;
    }

    private static string Masked(string text, IReadOnlyList<string> forms)
    {
        var runs = new List<(int Start, int End)>();
        foreach (var form in forms)
            for (var at = text.IndexOf(form, StringComparison.Ordinal); at >= 0; at = text.IndexOf(form, at + 1, StringComparison.Ordinal))
                runs.Add((at, at + form.Length));
        runs.Sort();
        var merged = new List<(int Start, int End)>();
        foreach (var run in runs)
            if (merged.Count > 0 && run.Start < merged[^1].End)
                merged[^1] = (merged[^1].Start, Math.Max(merged[^1].End, run.End));
            else
                merged.Add(run);
        merged.Reverse();
        foreach (var (start, end) in merged)
            text = text[..start] + "***" + text[end..];
        return text;
    }

    [GeneratedRegex(@"\x1b(?:\[[ -?]*[@-~]?|[\]P_^X][^\x07\x1b]*\x07?|[ -/]*[0-~]?)|\0")]
    private static partial Regex Unprintable();

    [GeneratedRegex(@"\A\x1b\[[0-9:;]*m\z")]
    private static partial Regex Colour();
}
