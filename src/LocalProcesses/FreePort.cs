using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace TaskPipeline.LocalProcesses;

/// <summary>Loopback ports for programs that are about to start.</summary>
public static class FreePort
{
    private const int First = 10_000;

    // Linux uses ports from here on for outgoing connections (net.ipv4.ip_local_port_range), so one of them could be taken before the program listens.
    private const int End = 32_768;
    private const int Tries = 100;

    /// <summary>A port on which no program listens now.</summary>
    public static int Find()
    {
        for (var tries = 1; ; tries++)
        {
            var port = RandomNumberGenerator.GetInt32(First, End);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException) when (tries < Tries)
            {
                // The port is taken.
            }
        }
    }
}
