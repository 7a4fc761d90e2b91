using TaskPipeline.Client;
using TaskPipeline.Shared.Tasks;
using Xunit;
using Line = TaskPipeline.Client.OutputLine;
using Stream = TaskPipeline.Client.OutputStream;

namespace TaskPipeline.Tests.Clients;

/// <summary>What a watcher can prove of the lines that it was told.</summary>
public sealed class VerifierTests
{
    private static readonly string[] Words = ["one", "two", "größer 😀", new('x', 100_000), ""];

    [Fact]
    public void All_lines_hash_to_what_the_worker_has_hashed()
    {
        using var verifier = new OutputVerifier();
        for (var seq = 1; seq <= Words.Length; seq++)
            verifier.Add(LineOf(seq));
        Assert.Equal(Verification.Verified, verifier.Check(End(Words.Length)));
        Assert.Throws<OutputMismatchException>(() => verifier.Check(End(Words.Length) with { Lines = 6 }));
        Assert.Equal(Verification.NoHash, verifier.Check(End(Words.Length) with { Hash = null }));
    }

    [Theory]
    [InlineData(1, 3, "Line 2 of attempt 1 is missing")]
    [InlineData(1, 5, "Lines 2 to 4 of attempt 1 are missing")]
    [InlineData(1, 1, "Line 1 of attempt 1 came twice")]
    public void Holes_and_doubles_are_named(int first, int second, string message)
    {
        using var verifier = new OutputVerifier();
        verifier.Add(LineOf(first));
        Assert.Equal(message, Assert.Throws<OutputMismatchException>(() => verifier.Add(LineOf(second))).Message);
    }

    [Fact]
    public void A_later_attempt_begins_anew_and_an_earlier_one_never_comes_again()
    {
        using var verifier = new OutputVerifier(isFromStart: false);
        verifier.Add(LineOf(4));
        verifier.Add(LineOf(1, attempt: 2));
        verifier.Add(LineOf(2, attempt: 2));
        Assert.Throws<OutputMismatchException>(() => verifier.Add(LineOf(5)));
        Assert.Equal(Verification.Verified, verifier.Check(End(2) with { Attempt = 2 }));
        using var other = new OutputVerifier(isFromStart: false);
        other.Add(LineOf(4));
        Assert.Throws<OutputMismatchException>(() => other.Add(LineOf(2, attempt: 2)));
    }

    [Fact]
    public void Who_comes_late_or_misses_lines_proves_nothing_but_notices_the_rest()
    {
        using var late = new OutputVerifier(isFromStart: false);
        late.Add(LineOf(3));
        late.Add(LineOf(4));
        Assert.Equal(Verification.NotAllSeen, late.Check(End(4)));
        Assert.Throws<OutputMismatchException>(() => late.Check(End(5)));

        using var notKept = new OutputVerifier();
        notKept.Add(Gap(1, 2, GapEvent.NotKept));
        notKept.Add(LineOf(3));
        Assert.Equal(Verification.NotAllSeen, notKept.Check(End(3)));

        using var filtered = new OutputVerifier(isFiltered: true);
        filtered.Add(LineOf(1));
        filtered.Add(LineOf(4));
        Assert.Throws<OutputMismatchException>(() => filtered.Add(LineOf(4)));
        Assert.Equal(Verification.NotAllSeen, filtered.Check(End(5)));
    }

    [Fact]
    public void An_attempt_that_printed_nothing_is_proven_by_who_was_there_from_the_start()
    {
        using var whole = new OutputVerifier();
        Assert.Equal(Verification.Verified, whole.Check(End(0)));
        using var late = new OutputVerifier(isFromStart: false);
        Assert.Equal(Verification.NotAllSeen, late.Check(End(0)));
        using var empty = new OutputVerifier();
        Assert.Throws<OutputMismatchException>(() => empty.Check(End(2)));
    }

    private static Line LineOf(int seq, int attempt = 1) => new() { Attempt = attempt, Seq = seq, Stream = (Stream)(seq % 3 + 1), Text = Words[seq - 1] };

    private static GapEvent Gap(int from, int to, string reason) => new() { Type = "gap", TaskId = "t", Attempt = 1, From = from, To = to, Reason = reason };

    /// <summary>With the hash as workers compute it.</summary>
    private static EndEvent End(int lines)
    {
        using var hash = new OutputHash();
        for (var seq = 1; seq <= lines; seq++)
            hash.Add(new(seq, Enum.Parse<Shared.Tasks.OutputStream>(LineOf(seq).Stream.ToString()), Words[seq - 1], default));
        return new EndEvent { Type = "end", TaskId = "t", Status = Client.Status.Succeeded, Attempt = 1, Lines = lines, Hash = hash.ToString() };
    }
}
