using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using TaskPipeline.TaskApi.Repeating;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>
/// Redrives many dead letters, one after the other at a bounded rate. A run lives in this process only: if it dies, the same call again takes what is
/// still left, and nothing is redriven twice.
/// </summary>
internal sealed partial class BulkRedrives(DeadLetterTable letters, Redriver redriver, TimeProvider clock, ILogger<BulkRedrives> logger) : BackgroundService
{
    private const int MostRunsAtOnce = 16;
    private const int KeptRuns = 1000;

    private readonly Channel<RedriveRun> _asked = Channel.CreateUnbounded<RedriveRun>();
    private readonly ConcurrentDictionary<string, RedriveRun> _runs = [];
    private readonly ConcurrentQueue<string> _order = [];

    /// <summary>A run of that id that is there already is the one.</summary>
    public RedriveRun Start(string id, IReadOnlyList<DeadLetterEntry> taken, double rate, string bodyHash)
    {
        var added = new RedriveRun(id, [.. taken.Select(entry => entry.Id)], rate, bodyHash, clock.GetUtcNow());
        var run = _runs.GetOrAdd(id, added);
        if (run != added)
            return run;
        _order.Enqueue(id);
        if (_order.Count > KeptRuns && _order.TryDequeue(out var oldest))
            _runs.TryRemove(oldest, out _);
        _asked.Writer.TryWrite(run);
        return run;
    }

    public RedriveRun? Find(string id) => _runs.GetValueOrDefault(id);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Parallel.ForEachAsync(_asked.Reader.ReadAllAsync(stoppingToken), new ParallelOptions { MaxDegreeOfParallelism = MostRunsAtOnce, CancellationToken = stoppingToken }, RunAsync);

    private async ValueTask RunAsync(RedriveRun run, CancellationToken cancellationToken)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1 / run.Rate), clock);
        foreach (var id in run.Taken)
        {
            if (run.Done > 0)
                await pace.WaitForNextTickAsync(cancellationToken);
            run.Count(id, await RedriveAsync(id, cancellationToken));
        }
        run.Finish(clock.GetUtcNow());
        LogFinished(logger, run.Id, run.Taken.Count);
    }

    /// <summary>Null: somebody else has dealt with it.</summary>
    private async Task<IResult?> RedriveAsync(string id, CancellationToken cancellationToken)
    {
        while (!letters.Find(id)!.IsDealtWith)
        {
            var answer = await redriver.RedriveAsync(id, new RepeatTask(), key: null, "bulk", cancellationToken);
            if (answer is not Problem { StatusCode: StatusCodes.Status503ServiceUnavailable })
                return answer;
            // Kafka is away: each try has waited for it already.
        }
        return null;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Redrive {RunId} of {Taken} dead letters is finished")]
    private static partial void LogFinished(ILogger logger, string runId, int taken);
}

/// <summary>One call's worth of redrives, and how far it has come.</summary>
internal sealed class RedriveRun(string id, IReadOnlyList<string> taken, double rate, string bodyHash, DateTimeOffset startedAt)
{
    private const int MostErrors = 100;

    private readonly Lock _gate = new();
    private readonly List<RedriveError> _errors = [];
    private int _redriven;
    private int _skipped;
    private int _failed;
    private DateTimeOffset? _finishedAt;

    public string Id => id;
    public IReadOnlyList<string> Taken => taken;
    public double Rate => rate;
    public string BodyHash => bodyHash;
    public int Done => _redriven + _skipped + _failed;   // for the one that runs it

    public RedriveProgress Progress
    {
        get
        {
            lock (_gate)
                return new RedriveProgress(id, _finishedAt is null ? RedriveStatus.Running : RedriveStatus.Finished, rate, taken.Count, _redriven, _skipped, _failed, [.. _errors], startedAt, _finishedAt);
        }
    }

    public void Count(string letterId, IResult? answer)
    {
        lock (_gate)
        {
            if (answer is Problem problem)
            {
                _failed++;
                if (_errors.Count < MostErrors)
                    _errors.Add(new RedriveError(letterId, problem.Detail));
            }
            else if (answer is null)
                _skipped++;
            else
                _redriven++;
        }
    }

    public void Finish(DateTimeOffset at)
    {
        lock (_gate)
            _finishedAt = at;
    }
}
