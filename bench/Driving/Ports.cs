using System.Net;
using System.Net.Sockets;

namespace TaskPipeline.Bench.Driving;

internal static class Ports
{
    /// <summary>A port of the loopback that nobody listens on at the moment.</summary>
    public static int Free()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
