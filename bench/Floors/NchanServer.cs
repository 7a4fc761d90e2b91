using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using TaskPipeline.Bench.Driving;
using TaskPipeline.LocalProcesses;

namespace TaskPipeline.Bench.Floors;

/// <summary>nginx with the module nchan, if both are installed: one channel, with publishing over HTTP and watchers over WebSocket.</summary>
internal sealed class NchanServer : IAsyncDisposable
{
    private const string Program = "/usr/sbin/nginx";
    private const string Module = "/usr/lib/nginx/modules/ngx_nchan_module.so";
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan TakeTimeout = TimeSpan.FromSeconds(10);

    private readonly string _folder = Directory.CreateTempSubdirectory("taskpipeline-nchan-").FullName;
    private readonly ChildProcess _nginx;
    private readonly CancellationToken _stop;
    private readonly CancellationTokenRegistration _cutOff;
    private readonly Socket _publisher = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, SendTimeout = (int)TakeTimeout.TotalMilliseconds };
    private bool _takesNoMore;

    private NchanServer(CancellationToken stop)
    {
        _stop = stop;
        _cutOff = stop.Register(_publisher.Dispose);   // it can be waiting for an nginx that accepts nothing more
        Port = FreePort.Find();
        var file = Path.Combine(_folder, "nginx.conf");
        File.WriteAllText(file, $$"""
            load_module {{Module}};
            daemon off;
            user root;
            worker_processes auto;
            worker_rlimit_nofile 65536;
            pid {{_folder}}/pid;
            error_log {{_folder}}/error.log;
            events { worker_connections 32768; }
            http {
              access_log off;
              client_body_temp_path {{_folder}}/body;
              keepalive_requests 100000000;
              nchan_max_reserved_memory 256M;
              server {
                listen 127.0.0.1:{{Port}};
                location = /publish { nchan_publisher; nchan_channel_id lines; nchan_message_buffer_length 1000; }
                location = /watch { nchan_subscriber websocket; nchan_channel_id lines; nchan_subscriber_first_message newest; }
              }
            }
            """);
        _nginx = ChildProcess.StartFile(Program, "nginx", ["-p", _folder, "-c", file]);
    }

    public static bool IsHere => File.Exists(Program) && File.Exists(Module);

    public static string WatchPath => "/watch";

    public int Port { get; }

    /// <summary>CPU time of all its processes, in seconds.</summary>
    public double CpuSeconds => Descendants().Append(_nginx.Id).Sum(CpuOf);

    public static async Task<NchanServer> StartAsync(CancellationToken stop)
    {
        var server = new NchanServer(stop);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(StartTimeout);
        while (true)
            try
            {
                await server._publisher.ConnectAsync(IPAddress.Loopback, server.Port, limit.Token);
                _ = server.ReadAnswersAsync();
                return server;
            }
            catch (SocketException)
            {
                if (server._nginx.HasExited)
                    throw new BenchException($"nginx cannot start:\n{server._nginx.Output}");
                await Task.Delay(20, limit.Token);
            }
    }

    /// <summary>
    /// Does not wait for the answer, like the pipeline's producer; nginx processes the requests in order. After nginx has accepted nothing for
    /// <see cref="TakeTimeout"/>, this message and all later ones are lost.
    /// </summary>
    public void Publish(long seq, string text)
    {
        if (_takesNoMore)
            return;
        var message = $$"""{"seq":{{seq}},"stream":"stdout","text":"{{text}}"}""";
        try
        {
            _publisher.Send(Encoding.ASCII.GetBytes($"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {message.Length}\r\n\r\n{message}"));
        }
        catch (SocketException late) when (late.SocketErrorCode == SocketError.TimedOut)
        {
            _takesNoMore = true;   // a part of the message can have been sent
        }
        catch (Exception exception) when (_stop.IsCancellationRequested && exception is SocketException or ObjectDisposedException)
        {
            throw new OperationCanceledException("", exception, _stop);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _cutOff.DisposeAsync();
        _publisher.Dispose();
        _nginx.Signal(System.Runtime.InteropServices.PosixSignal.SIGTERM);
        await Task.WhenAny(_nginx.WaitForExitAsync());
        await _nginx.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Discards the answers, which are all the same.</summary>
    private async Task ReadAnswersAsync()
    {
        var answers = new byte[64 * 1024];
        try
        {
            while (await _publisher.ReceiveAsync(answers.AsMemory()) > 0)
            {
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The connection has ended.
        }
    }

    private IEnumerable<int> Descendants() =>
        Directory.EnumerateFiles($"/proc/{_nginx.Id}/task/{_nginx.Id}", "children").SelectMany(file => File.ReadAllText(file).Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(pid => int.Parse(pid, CultureInfo.InvariantCulture));

    private static double CpuOf(int pid)
    {
        using var process = Process.GetProcessById(pid);
        return process.TotalProcessorTime.TotalSeconds;
    }
}
