using TaskPipeline.Bench;

return await BenchProgram.RunAsync(args);
