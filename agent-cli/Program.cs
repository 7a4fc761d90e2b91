using TaskPipeline.AgentCli.Commands;

return await AgentCommandLine.RunAsync(args);
