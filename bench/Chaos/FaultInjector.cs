using TaskPipeline.Bench.Driving;

namespace TaskPipeline.Bench.Chaos;

/// <summary>Carries out the attacks of a plan, each at its time, and leaves nothing frozen or down.</summary>
internal sealed class FaultInjector(ChaosPipeline pipeline, BenchBroker broker, BenchRun run) : IDisposable
{
    private readonly SemaphoreSlim _oneBroker = new(1);   // of three brokers, the next is attacked only when the previous one is back

    public void Dispose() => _oneBroker.Dispose();

    public async Task AttackAsync(IReadOnlyList<Attack> attacks, CancellationToken stop) => await Task.WhenAll(attacks.Select(attack => AttackAsync(attack, stop)));

    private async Task AttackAsync(Attack attack, CancellationToken stop)
    {
        await Task.Delay(attack.At, stop);
        var isOnBroker = attack.Kind is AttackKind.KillBroker or AttackKind.FreezeBroker;
        if (isOnBroker)
            await _oneBroker.WaitAsync(stop);
        run.Say($"{attack.At.TotalSeconds,5:0.0} s: {attack}");
        await CarryOutAsync(attack, stop);
        if (isOnBroker)
            _oneBroker.Release();
    }

    private async Task CarryOutAsync(Attack attack, CancellationToken stop)
    {
        switch (attack.Kind)
        {
            case AttackKind.KillWorker:
                pipeline.Workers[attack.Target].Kill();
                break;
            case AttackKind.FreezeWorker:
                await pipeline.Workers[attack.Target].FreezeAsync(attack.Lasts);
                break;
            case AttackKind.EndWorker:
                pipeline.Workers[attack.Target].Terminate();
                break;
            case AttackKind.KillApi:
                pipeline.Apis[attack.Target].Kill();
                break;
            case AttackKind.FreezeApi:
                await pipeline.Apis[attack.Target].FreezeAsync(attack.Lasts);
                break;
            case AttackKind.CutApi:
                pipeline.Proxies[attack.Target].Cut();
                break;
            case AttackKind.KillBroker:
                await broker.BreakAsync("kill", attack.Target + 1);
                await Task.Delay(attack.Lasts, stop);
                await broker.BreakAsync("restart", attack.Target + 1);
                break;
            case AttackKind.FreezeBroker:
                await broker.BreakAsync("pause", attack.Target + 1);
                await Task.Delay(attack.Lasts, stop);
                await broker.BreakAsync("resume", attack.Target + 1);
                break;
            case AttackKind.CutKafka:
                broker.Proxy!.Cut();
                break;
        }
    }
}
