using TaskPipeline.TaskWorker;

return await WorkerHost.RunAsync(args);
