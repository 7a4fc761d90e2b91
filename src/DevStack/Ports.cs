using System.Net;
using System.Net.Sockets;

namespace TaskPipeline.DevStack;

internal static class Ports
{
    private const string Listening = "0A";
    private static readonly string[] SocketTables = ["/proc/net/tcp", "/proc/net/tcp6"];

    /// <exception cref="StackException">The port is taken or cannot be used; the message says by whom it is taken, and what to do.</exception>
    public static void Require(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new StackException($"port {port} is taken by {HolderOf(port)}: choose another with --port N, or choose a free one with --port 0");
        }
        catch (SocketException exception)
        {
            throw new StackException($"port {port} cannot be used ({exception.Message}): choose another with --port N, or choose a free one with --port 0");
        }
    }

    private static string HolderOf(int port)
    {
        if (!OperatingSystem.IsLinux())
            return "another process (unknown on this system)";
        var sockets = SocketTables.Where(File.Exists).SelectMany(File.ReadLines)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields is [_, var local, _, Listening, ..] && local.EndsWith($":{port:X4}", StringComparison.Ordinal))
            .Select(fields => $"socket:[{fields[9]}]")
            .ToHashSet();
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out _)))
            if (Holds(process, sockets))
                return $"process {Path.GetFileName(process)} ({CommandOf(process)})";
        return "a process of another user";
    }

    private static bool Holds(string process, HashSet<string> sockets)
    {
        try
        {
            return Directory.EnumerateFiles(Path.Combine(process, "fd")).Any(file => TargetOf(file) is { } target && sockets.Contains(target));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;   // the process has ended, or belongs to another user
        }
    }

    private static string? TargetOf(string file)
    {
        try
        {
            return File.ResolveLinkTarget(file, returnFinalTarget: false)?.Name;
        }
        catch (IOException)
        {
            return null;   // closed meanwhile
        }
    }

    private static string CommandOf(string process)
    {
        try
        {
            var command = File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ').Trim();
            return command.Length <= 80 ? command : command[..79] + "…";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "already ended";
        }
    }
}
