namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// Every replica performs what is due, without knowing the others. To keep them from doing it at the same moment, each delays some lanes a little, at
/// random; by then another replica has often done it. A lane has one delay for all its entries, so their order is kept.
/// </summary>
internal sealed class ReplicaDelay
{
    private const int Turns = 4;
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(40);

    private readonly Guid _replica = Guid.NewGuid();

    public TimeSpan DelayFor(int lane) => Turn * ((uint)HashCode.Combine(lane, _replica) % Turns);
}
