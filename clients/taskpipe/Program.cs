using TaskPipeline.Taskpipe.Commands;

return await TaskpipeCommandLine.RunAsync(args);
