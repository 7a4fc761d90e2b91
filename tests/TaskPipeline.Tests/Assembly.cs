using TaskPipeline.Testing;
using TaskPipeline.Tests;
using Xunit;

[assembly: AssemblyFixture(typeof(TestBroker))]
[assembly: TestCollectionOrderer(typeof(LongestFirst))]
