using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace TaskPipeline.LocalProcesses;

/// <summary>Ports of the loopback for programs that are about to be started.</summary>
public static class FreePort
{
    private const int First = 10_000;

    // Linux gives ports from here on to outgoing connections (net.ipv4.ip_local_port_range): one of those could be taken before the program listens.
    private const int End = 32_768;
    private const int Tries = 100;

    /// <summary>A port on which nobody listens at the moment.</summary>
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
                // It is taken.
            }
        }
    }
}
