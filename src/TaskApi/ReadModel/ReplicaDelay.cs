namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>
/// Every replica does what is due, without knowing of the others. So that they don't all do it at the same moment, each lets some lanes wait a little
/// longer than others, by chance; by then another one has often done it. All of one lane waits for the same time, and so keeps its order.
/// </summary>
internal sealed class ReplicaDelay
{
    private const int Turns = 4;
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(40);

    private readonly Guid _replica = Guid.NewGuid();

    public TimeSpan DelayFor(int lane) => Turn * ((uint)HashCode.Combine(lane, _replica) % Turns);
}
