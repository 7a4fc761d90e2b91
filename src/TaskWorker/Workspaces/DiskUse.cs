namespace TaskPipeline.TaskWorker.Workspaces;

/// <summary>How much a folder holds, by the sizes of its files. Links are not followed.</summary>
internal static class DiskUse
{
    private static readonly EnumerationOptions Everything =
        new() { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };

    /// <summary>Counts no further than beyond <paramref name="enough"/>. A folder that changes meanwhile is counted as it is met.</summary>
    public static long Of(string folder, long enough)
    {
        var bytes = 0L;
        try
        {
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", Everything))
                if ((bytes += LengthOf(file)) > enough)
                    break;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The agent has taken away what was being listed.
        }
        return bytes;
    }

    private static long LengthOf(FileInfo file)
    {
        try
        {
            return file.Length;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;   // it has gone meanwhile
        }
    }
}
