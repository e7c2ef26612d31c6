// Multiplies with lines. Usage: multiply [PORT [A B]]
using System;
using System.IO;
using System.Net.Sockets;
using System.Text;

class Multiply
{
    static int Main(string[] args)
    {
        int port = args.Length > 0 ? int.Parse(args[0]) : 65432;
        string a = args.Length > 2 ? args[1] : "5", b = args.Length > 2 ? args[2] : "10";
        try
        {
            using (var client = new TcpClient("localhost", port))
            using (var stream = client.GetStream())
            {
                // new UTF8Encoding(false): Encoding.UTF8 would send a byte order mark first.
                var requests = new StreamWriter(stream, new UTF8Encoding(false)) { NewLine = "\n" };
                var replies = new StreamReader(stream, new UTF8Encoding(false));
                requests.WriteLine(a + " " + b); // on the wire: "5 10\n"
                requests.Flush();
                Console.Error.WriteLine(replies.ReadLine()); // Data received
                string reply = replies.ReadLine();           // 50.0
                bool wrong = reply == null || reply.StartsWith("Error: ");
                (wrong ? Console.Error : Console.Out).WriteLine(reply ?? "the connection ended");
                return wrong ? 1 : 0;
            }
        }
        catch (Exception error) when (error is SocketException || error is IOException)
        {
            Console.Error.WriteLine("localhost:" + port + ": " + error.Message);
            return 1;
        }
    }
}
