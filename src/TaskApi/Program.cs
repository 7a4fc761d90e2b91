using TaskPipeline.TaskApi;

return await ApiHost.RunAsync(args);
