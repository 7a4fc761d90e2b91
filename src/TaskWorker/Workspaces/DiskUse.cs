namespace TaskPipeline.TaskWorker.Workspaces;

/// <summary>The size of a folder: the sum of its files' sizes. Links are not followed.</summary>
internal static class DiskUse
{
    private static readonly EnumerationOptions Everything =
        new() { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };

    /// <summary>Stops counting above <paramref name="enough"/>. Changes during the count may or may not be included.</summary>
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
            // The agent has removed a folder during the listing.
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
            return 0;   // it was removed meanwhile
        }
    }
}
