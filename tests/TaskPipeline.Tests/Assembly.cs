using TaskPipeline.Testing;
using Xunit;

[assembly: AssemblyFixture(typeof(TestBroker))]
