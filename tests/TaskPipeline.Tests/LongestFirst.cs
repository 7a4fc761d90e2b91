using TaskPipeline.Tests.Clients;
using TaskPipeline.Tests.EndToEnd;
using TaskPipeline.Tests.Worker;
using Xunit.Sdk;
using Xunit.v3;

namespace TaskPipeline.Tests;

/// <summary>Classes run side by side, and the tests of a class one after the other: one that takes minutes must not be the last to start.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly Type[] Long =
        [typeof(OwnershipTests), typeof(CrashPointTests), typeof(PoisonTests), typeof(TypeScriptClientTests), typeof(RedeliveryTests), typeof(ScenarioTests)];

    private static readonly HashSet<string> Names = [.. Long.Select(type => type.FullName!)];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => !Names.Any(name => collection.TestCollectionDisplayName.Contains($" {name} ", StringComparison.Ordinal)))];
}
