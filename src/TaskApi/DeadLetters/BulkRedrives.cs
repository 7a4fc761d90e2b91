using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;
using TaskPipeline.TaskApi.Repeating;

namespace TaskPipeline.TaskApi.DeadLetters;

/// <summary>
/// Redrives many dead letters, one after the other at a limited rate. A run lives only in this process: if the process dies, the same call takes the
/// dead letters that are still unresolved, and none is redriven twice.
/// </summary>
internal sealed partial class BulkRedrives(DeadLetterTable letters, Redriver redriver, TimeProvider clock, ILogger<BulkRedrives> logger) : BackgroundService
{
    private const int MostRunsAtOnce = 16;
    private const int KeptRuns = 1000;
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    private readonly Channel<RedriveRun> _asked = Channel.CreateUnbounded<RedriveRun>();
    private readonly ConcurrentDictionary<string, RedriveRun> _runs = [];
    private readonly ConcurrentQueue<string> _order = [];

    /// <summary>Starts a run; returns the existing run if there is one with that id.</summary>
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
        Parallel.ForEachAsync(
            _asked.Reader.ReadAllAsync(stoppingToken),
            new ParallelOptions { MaxDegreeOfParallelism = MostRunsAtOnce, CancellationToken = stoppingToken },
            RunAsync);

    [SuppressMessage("Design", "CA1031", Justification = "Whatever goes wrong with one run, the others and the API continue")]
    private async ValueTask RunAsync(RedriveRun run, CancellationToken cancellationToken)
    {
        try
        {
            await RedriveAllAsync(run, cancellationToken);
            LogFinished(logger, run.Id, run.Taken.Count);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(logger, exception, run.Id);
        }
        run.Finish(clock.GetUtcNow());
    }

    private async Task RedriveAllAsync(RedriveRun run, CancellationToken cancellationToken)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1 / run.Rate), clock);
        var hasWritten = false;   // a refusal writes nothing, so the rate does not apply to it
        foreach (var id in run.Taken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (hasWritten)
                await pace.WaitForNextTickAsync(cancellationToken);
            var answer = await RedriveAsync(id, cancellationToken);
            hasWritten = answer is not (null or Problem);
            run.Count(id, answer);
        }
    }

    /// <summary>Null: another request resolved it first.</summary>
    private async Task<IResult?> RedriveAsync(string id, CancellationToken cancellationToken)
    {
        while (!letters.Find(id)!.IsResolved)
        {
            var answer = await redriver.RedriveAsync(id, new RepeatTask(), key: null, "bulk", cancellationToken);
            if (answer is not Problem { StatusCode: StatusCodes.Status503ServiceUnavailable })
                return answer;
            await Task.Delay(RetryPause, clock, cancellationToken);   // a producer that has failed answers at once
        }
        return null;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Redrive {RunId} failed before its end")]
    private static partial void LogFailed(ILogger logger, Exception exception, string runId);

    [LoggerMessage(Level = LogLevel.Information, Message = "Redrive {RunId} of {Taken} dead letters is finished")]
    private static partial void LogFinished(ILogger logger, string runId, int taken);
}

/// <summary>The redrives of one call, and their progress.</summary>
internal sealed class RedriveRun(string id, IReadOnlyList<string> taken, double rate, string bodyHash, DateTimeOffset startedAt)
{
    private const int MostErrors = 100;
    private const int MostIds = 10;

    private readonly Lock _gate = new();
    private readonly List<(string Detail, int Count, List<string> Ids)> _errors = [];
    private int _redriven;
    private int _skipped;
    private int _failed;
    private DateTimeOffset? _finishedAt;

    public string Id => id;
    public IReadOnlyList<string> Taken => taken;
    public double Rate => rate;
    public string BodyHash => bodyHash;

    public RedriveProgress Progress
    {
        get
        {
            lock (_gate)
                return new RedriveProgress(
                    id, _finishedAt is null ? RedriveStatus.Running : RedriveStatus.Finished, rate, taken.Count, _redriven, _skipped, _failed,
                    [.. _errors.Select(error => new RedriveError(error.Ids[0], error.Detail, error.Count, [.. error.Ids]))], startedAt, _finishedAt);
        }
    }

    public void Count(string letterId, IResult? answer)
    {
        lock (_gate)
        {
            if (answer is Problem problem)
            {
                _failed++;
                Add(letterId, problem.Detail);
            }
            else if (answer is null)
                _skipped++;
            else
                _redriven++;
        }
    }

    private void Add(string letterId, string detail)
    {
        var known = _errors.FindIndex(error => error.Detail == detail);
        if (known >= 0)
        {
            var (_, count, ids) = _errors[known];
            if (ids.Count < MostIds)
                ids.Add(letterId);
            _errors[known] = (detail, count + 1, ids);
        }
        else if (_errors.Count < MostErrors)
            _errors.Add((detail, 1, [letterId]));
    }

    public void Finish(DateTimeOffset at)
    {
        lock (_gate)
            _finishedAt = at;
    }
}
