using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace TaskPipeline.Shared.Artifacts;

/// <summary>
/// Files under their raw Linux names: bytes, which need not be UTF-8. .NET shows U+FFFD in such names and cannot open the file by that name, so one
/// such file would keep its whole folder from being listed or deleted.
/// </summary>
public static partial class RawFiles
{
    private const int NameAt = 19;   // offset of d_name in `struct dirent` of 64-bit Linux, for every C library
    private const int OwnerOnly = 0x1C0;   // 0700
    private const int NoEntry = 2;
    private const int NoAccess = 13;
    private const int IsFolder = 21;
    private const int MostReasons = 5;

    /// <summary>O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC of Linux; two of them have other values on ARM.</summary>
    private static readonly int FolderItself =
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 | 0x8000 | 0x80000 : 0x10000 | 0x20000 | 0x80000;

    private static readonly bool HasRawNames = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>The names of everything in a folder. A folder of ours is made readable and writable first.</summary>
    /// <exception cref="IOException">It cannot be read, or is a link; the message says why.</exception>
    public static IReadOnlyList<byte[]> NamesIn(string folder) =>
        HasRawNames ? NamesIn(Encoding.UTF8.GetBytes(folder))
            : [.. Directory.EnumerateFileSystemEntries(folder).Select(path => Encoding.UTF8.GetBytes(Path.GetFileName(path)))];

    /// <summary>Deletes a file, or a folder with its content, even if they are read-only. Links are deleted, not followed.</summary>
    /// <returns>Some of what could not be deleted, with reasons, for people; empty: nothing is left.</returns>
    public static IReadOnlyList<string> Delete(string path)
    {
        if (HasRawNames)
            return Delete(Encoding.UTF8.GetBytes(path));
        try
        {
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
            else
                File.Delete(path);
            return [];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [exception.Message];
        }
    }

    /// <summary><see cref="Delete(string)"/></summary>
    public static IReadOnlyList<string> Delete(byte[] path)
    {
        var left = new List<string>();
        Delete(path, left);
        return left;
    }

    /// <summary>A name or a path for people: invalid UTF-8 and invisible characters are escaped, as in <c>a\xFF</c>.</summary>
    public static string Shown(ReadOnlySpan<byte> name)
    {
        var shown = new StringBuilder();
        while (!name.IsEmpty)
        {
            var isText = Rune.DecodeFromUtf8(name, out var character, out var length) == System.Buffers.OperationStatus.Done
                && Rune.GetUnicodeCategory(character) is not (
                    UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
            if (isText)
                shown.Append(character.ToString());
            else
                foreach (var value in name[..length])
                    shown.Append(CultureInfo.InvariantCulture, $"\\x{value:X2}");
            name = name[length..];
        }
        return shown.ToString();
    }

    private static bool Delete(byte[] path, List<string> left)
    {
        if (Unlink([.. path, 0]) == 0 || Marshal.GetLastPInvokeError() == NoEntry)
            return true;
        if (Marshal.GetLastPInvokeError() != IsFolder)
            return Leave(path, Marshal.GetLastPInvokeErrorMessage(), left);
        var isEmpty = true;
        try
        {
            foreach (var name in NamesIn(path))
                isEmpty &= Delete([.. path, (byte)'/', .. name], left);
        }
        catch (IOException exception)
        {
            return Leave(path, exception.Message, left);
        }
        return isEmpty && (RemoveFolder([.. path, 0]) == 0 || Leave(path, Marshal.GetLastPInvokeErrorMessage(), left));
    }

    private static bool Leave(byte[] path, string reason, List<string> left)
    {
        if (left.Count < MostReasons)
            left.Add($"{Shown(path)}: {reason}");
        return false;
    }

    private static List<byte[]> NamesIn(byte[] folder)
    {
        var open = OpenFolder(Opened([.. folder, 0]));
        if (open == 0)
            throw new IOException(Marshal.GetLastPInvokeErrorMessage());
        var names = new List<byte[]>();
        for (nint entry; (entry = ReadFolder(open)) != 0;)
            if (NameOf(entry) is not ([(byte)'.'] or [(byte)'.', (byte)'.']) and var name)
                names.Add(name);
        _ = CloseFolder(open);
        return names;
    }

    /// <summary>
    /// The descriptor of a folder, which is made readable and writable. An agent can put a link where its folder was, and the folder that it leads to is
    /// not ours: it is not opened, and its mode is not changed.
    /// </summary>
    private static int Opened(byte[] folder)
    {
        var descriptor = Open(folder, FolderItself);
        if (descriptor < 0 && Marshal.GetLastPInvokeError() == NoAccess && ReadLink(folder, new byte[1], 1) < 0)
        {
            _ = ChangeMode(folder, OwnerOnly);
            descriptor = Open(folder, FolderItself);
        }
        if (descriptor < 0)
            throw new IOException(Marshal.GetLastPInvokeErrorMessage());
        _ = ChangeMode(descriptor, OwnerOnly);   // if it is another user's, what follows reports that
        return descriptor;
    }

    private static byte[] NameOf(nint entry)
    {
        var length = 0;
        while (Marshal.ReadByte(entry, NameAt + length) != 0)
            length++;
        var name = new byte[length];
        Marshal.Copy(entry + NameAt, name, 0, length);
        return name;
    }

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unlink(byte[] path);

    [LibraryImport("libc", EntryPoint = "rmdir", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int RemoveFolder(byte[] path);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(byte[] path, int flags);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint ReadLink(byte[] path, byte[] target, nint length);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ChangeMode(int descriptor, int mode);

    [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ChangeMode(byte[] path, int mode);

    [LibraryImport("libc", EntryPoint = "fdopendir", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint OpenFolder(int descriptor);

    [LibraryImport("libc", EntryPoint = "readdir")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint ReadFolder(nint folder);

    [LibraryImport("libc", EntryPoint = "closedir")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CloseFolder(nint folder);
}
