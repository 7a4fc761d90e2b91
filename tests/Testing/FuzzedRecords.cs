using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using TaskPipeline.Shared.Kafka;

namespace TaskPipeline.Testing;

/// <summary>
/// Records such as somebody might write into any topic of a pipeline: right ones, and what becomes of them by mistakes and by malice. The same random numbers give the same
/// records. What only an owner may write is never right here in what it claims: the epoch of its claim is 0, and it says nothing of who owns a lane. Whoever forges
/// those is no longer somebody who has made a mistake, and it is for the broker's access control to keep them out.
/// </summary>
public sealed partial class FuzzedRecords(Random random, Topics topics)
{
    /// <summary>What the ids of their tasks begin with.</summary>
    public const string Prefix = "poison-";

    private const int LargestText = 1_900_000;
    private static readonly string[] Numbers = ["-1", "0", "2147483648", "-9223372036854775808", "9223372036854775807", "18446744073709551616", "1e400", "1.5", "-0", "1E-999"];
    private static readonly string[] OddText = ["\\ud800", "\\udfff\\ud800", "\\u0000", "\\u001b[2J", "\\ufffe", "ü", "😀", "\\\"", "../../etc", "%", "{0}"];

    private static readonly string[] Tasks =
    [
        """{"task_id":"ID","type":"say","params":{"text":"hello"}}""",
        """{"v":1,"task_id":"ID","project":"default","type":"say","params":{"text":"hello"},"labels":{"a":"b"},"attempt":1,"submitted_at":"2026-01-01T00:00:00Z","priority":"high"}""",
        """{"task_id":"ID","type":"nothing of that name","params":{"a":[1,2,{"b":null}]},"concurrency":{"key":"k","limit":2,"slot":1},"deadline":"2036-01-01T00:00:00Z"}""",
        """{"task_id":"ID","type":"say","params":{"text":"later"},"run_at":"2026-01-01T00:00:00Z","start_by":"2036-01-01T00:00:00Z","attempt":3,"lane":1}""",
    ];

    private static readonly string[] Progress =
    [
        """{"v":1,"kind":"starting","task_id":"ID","epoch":0,"owner":"nobody","attempt":1,"worker":"w","at":"2026-01-01T00:00:00Z","update":"Starting..."}""",
        """{"v":1,"kind":"running","task_id":"ID","epoch":0,"owner":"nobody","attempt":1,"pid":7,"at":"2026-01-01T00:00:00Z"}""",
        """{"v":1,"kind":"lines","task_id":"ID","epoch":0,"owner":"nobody","attempt":1,"lines":[{"seq":1,"stream":"stdout","text":"a line","at":"2026-01-01T00:00:00Z"}],"at":"2026-01-01T00:00:00Z"}""",
        """{"v":1,"kind":"agent_event","task_id":"ID","epoch":0,"owner":"nobody","attempt":1,"name":"progress","data":{"percent":40,"step":"s"},"at":"2026-01-01T00:00:00Z"}""",
        """{"v":1,"kind":"exited","task_id":"ID","epoch":0,"owner":"nobody","attempt":1,"exit_code":0,"reason":"exit_code","lines":1,"hash":"sha256:00","result":{"a":1},"event":{"b":2},"artifacts":[{"name":"n","size":3}]}""",
        """{"v":1,"kind":"snapshot","task_id":"ID","epoch":0,"owner":"nobody","attempts":[{"attempt":1,"epoch":0,"owner":"nobody","worker":"w","from":3}],"log_end":3,"read_up_to":4}""",
        """{"v":1,"kind":"barrier","epoch":0,"owner":"nobody","lane":0,"worker":"w","keeps":[{"task_id":"ID","attempt":1}]}""",
        """{"v":1,"kind":"ended","task_id":"ID","epoch":0,"owner":"nobody","attempt":1,"status":"succeeded","update":"DONE"}""",
        """{"v":1,"kind":"emitted","task_id":"ID","event_id":"e","name":"n","data":{"a":[1,2,3]},"at":"2026-01-01T00:00:00Z"}""",
        """{"v":1,"kind":"gap","task_id":"ID","epoch":0,"owner":"nobody","attempt":1,"from":1,"to":9,"bytes":100,"reason":"output_limit"}""",
        """{"v":1,"kind":"something new","task_id":"ID"}""",
    ];

    private static readonly string[] Control =
    [
        """{"task_id":"ID","signal":"STOP"}""", """{"task_id":"ID","signal":"PAUSE","requested_by":"me","reason":"why","at":"2026-01-01T00:00:00Z"}""",
        """{"task_id":"ID","signal":"RESUME"}""", """{"task_id":"ID","signal":"LANE","lane":0}""", """{"task_id":"ID","signal":"DANCE"}""",
    ];

    private static readonly string[] State =
    [
        """{"v":1,"task_id":"ID","status":"succeeded","reason":"exit_code","exit_code":0,"attempt":1,"attempts":[{"attempt":1,"epoch":0,"owner":"nobody","worker":"w","from":0,"lines":3}],"task":{"task_id":"ID","type":"say","params":{"text":"x"}},"lane":0,"offset":0,"log_end":-1,"result":{"a":1},"at":"2026-01-01T00:00:00Z"}""",
        """{"v":1,"task_id":"ID","status":"retry_waiting","attempt":1,"due_at":"2036-01-01T00:00:00Z","attempts":[],"task":{"task_id":"ID","type":"say","params":{}},"lane":1,"offset":5,"log_end":7}""",
    ];

    private static readonly string[] Schedule = ["""{"v":1,"task_id":"ID","due_at":"2036-01-01T00:00:00Z","task":{"task_id":"ID","type":"say","params":{"text":"x"},"attempt":1}}"""];

    private static readonly string[] DeadLetters =
    [
        """{"v":1,"task_id":"ID","error":"e","task":{"task_id":"ID","type":"say","params":{"text":"x"}},"lane":0,"offset":1,"attempts":[],"at":"2026-01-01T00:00:00Z"}""",
        """{"v":1,"error":"e","raw":"AAAA","lane":0,"offset":1}""", """{"v":1,"task_id":"ID","action":"redriven","new_task_id":"IDx"}""",
    ];

    private static readonly string[] Input = ["""{"v":1,"task_id":"ID","attempt":1,"input_id":"i","text":"hello","close":true}"""];

    private static readonly string[] Workers =
        ["""{"v":1,"worker":"ID","host":"h","pid":1,"version":"0.1.0","started_at":"2026-01-01T00:00:00Z","at":"2026-01-01T00:00:00Z","lanes":[0],"waiting":3,"task":{"task_id":"ID","attempt":1,"started_at":"2026-01-01T00:00:00Z"}}"""];

    private static readonly string[] Notes =
    [
        """::task:progress {"percent":40,"step":"s"}""", """::task:result {"a":[1,2,{"b":"c"}]}""", """::task:warning {"message":"m"}""", """::task:artifact {"name":"n"}""",
        """::task:group {"name":"n"}""", """{"type":"assistant","message":{"content":[{"type":"tool_use","name":"t","input":{"a":1}},{"type":"text","text":"t"}]}}""",
        """{"type":"result","result":"r","is_error":false,"usage":{"input_tokens":1},"total_cost_usd":0.1}""", """{"last":"word","n":1}""", "a plain line",
    ];

    private int _count;

    /// <summary>The next one, for whatever topic.</summary>
    public FuzzedRecord Next()
    {
        while (true)
            if (Any() is var record && (record.Topic != topics.Progress || !IsForged(record.Value)))
                return record;
    }

    private FuzzedRecord Any()
    {
        var id = $"{Prefix}{++_count}";
        var (topic, partitions, key, templates) = random.Next(9) switch
        {
            0 or 1 => (topics.Tasks, topics.Lanes, id, Tasks),
            2 or 3 => (topics.Progress, topics.Lanes, id, Progress),
            4 => (topics.Control, 1, $"{id}/STOP", Control),
            5 => (topics.State, topics.Lanes, random.Next(20) == 0 ? "lane/0x" : id, State),
            6 => (topics.Schedule, topics.Lanes, $"{id}/1", Schedule),
            7 => random.Next(2) == 0 ? (topics.Input, topics.Lanes, id, Input) : (topics.Workers, 1, id, Workers),
            _ => (topics.DeadLetters, 1, id, DeadLetters),
        };
        var value = random.Next(50) == 0 ? null : Mutated(templates[random.Next(templates.Length)].Replace("ID", id, StringComparison.Ordinal));
        return new FuzzedRecord(topic, random.Next(partitions), random.Next(10) == 0 ? null : Encoding.UTF8.GetBytes(key), value);
    }

    /// <summary>Whether it has come to look like a record of an owner: with an epoch that a claim might have.</summary>
    private static bool IsForged(byte[]? value) =>
        value is not null && Epoch().Matches(Encoding.UTF8.GetString(value)).Any(epoch => epoch.Groups[1].Value is not ("0" or "null") && epoch.Groups[1].Value.Length < 10);

    /// <summary>A line for an agent to print, without a line feed.</summary>
    public byte[] Line() => [.. Mutated(Notes[random.Next(Notes.Length)], most: 200_000).Where(value => value is not ((byte)'\n' or (byte)'\r'))];

    /// <summary>Something for the body of a call, or for a socket.</summary>
    public byte[] Body(string right) => Mutated(right, most: 200_000);   // more than the API takes would cost the connection

    /// <summary>One in five as it is.</summary>
    private byte[] Mutated(string json, int most = LargestText)
    {
        if (random.Next(5) == 0)
            return Encoding.UTF8.GetBytes(json);
        for (var times = random.Next(1, 4); times > 0 && json.Length < most; times--)
            json = MutatedText(json, most);
        var bytes = Encoding.UTF8.GetBytes(json);
        return random.Next(3) == 0 ? MutatedBytes(bytes) : bytes;
    }

    private string MutatedText(string json, int most)
    {
        var values = Value().Matches(json);
        if (values.Count == 0)
            return json;
        var meant = values[random.Next(values.Count)];
        var changed = random.Next(9) switch
        {
            0 => Numbers[random.Next(Numbers.Length)],
            1 => Nested(random.Next(30, 80)),
            2 => Nested(random.Next(1000, 20_000)),
            3 => meant.Value.StartsWith('"') ? $"{meant.Value[..^1]}{OddText[random.Next(OddText.Length)]}\"" : "null",
            4 => $"\"{new string('x', random.Next(8) == 0 ? most - json.Length : random.Next(5000))}\"",
            5 => "null",
            6 => "[null,null]",
            7 => string.Create(CultureInfo.InvariantCulture, $"{{\"{OddText[random.Next(OddText.Length)]}\":{random.Next()}}}"),
            _ => "\"9999-12-31T23:59:59.9999999Z\"",
        };
        return string.Concat(json.AsSpan(0, meant.Index), changed, json.AsSpan(meant.Index + meant.Length));
    }

    private byte[] MutatedBytes(byte[] bytes)
    {
        if (bytes.Length == 0)
            return bytes;
        var (at, length) = (random.Next(bytes.Length), random.Next(1, 20));
        switch (random.Next(3))
        {
            case 0:
                for (var times = random.Next(1, 5); times > 0; times--)
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                return bytes;
            case 1:
                return [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + length)..]];
            default:
                var inserted = new byte[length];
                random.NextBytes(inserted);
                return [.. bytes[..at], .. inserted, .. bytes[at..]];
        }
    }

    private string Nested(int depth) => random.Next(2) == 0
        ? string.Concat(Enumerable.Repeat("[", depth)) + string.Concat(Enumerable.Repeat("]", depth))
        : string.Concat(Enumerable.Repeat("{\"a\":", depth)) + "1" + new string('}', depth);

    [GeneratedRegex("\"epoch\"\\s*:\\s*([^,}]*)")]
    private static partial Regex Epoch();

    [GeneratedRegex("""(?<=:)("(?:[^"\\]|\\.)*"|-?[0-9.]+|true|false|null)""")]
    private static partial Regex Value();
}

/// <summary>Something that somebody writes into a topic.</summary>
public sealed record FuzzedRecord(string Topic, int Partition, byte[]? Key, byte[]? Value);
