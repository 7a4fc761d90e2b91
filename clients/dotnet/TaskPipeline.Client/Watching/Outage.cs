using System.Diagnostics;
using System.Security.Cryptography;

namespace TaskPipeline.Client;

/// <summary>
/// Tracks how long there has been no connection, and how long to wait before the next try. The wait doubles and is random, so that clients that lost
/// their connections at the same moment do not all reconnect at once.
/// </summary>
internal sealed class Outage(TimeSpan maxWait)
{
    private const int LongestDoubling = 6;
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private long _since;
    private int _tries;   // 0: there is no outage

    public void IsOver() => _tries = 0;

    /// <summary>Null: the outage has lasted too long.</summary>
    public TimeSpan? NextWait()
    {
        if (_tries++ == 0)
            _since = Stopwatch.GetTimestamp();
        var whole = FirstWait * (1 << Math.Min(_tries - 1, LongestDoubling));
        var wait = (whole < LongestWait ? whole : LongestWait) * (RandomNumberGenerator.GetInt32(500, 1001) / 1000.0);
        return Stopwatch.GetElapsedTime(_since) + wait <= maxWait ? wait : null;
    }
}
