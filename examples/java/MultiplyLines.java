// Multiplies with lines. Usage: java MultiplyLines.java [PORT [A B]]
import java.io.*;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

public class MultiplyLines {
    public static void main(String[] args) {
        int port = args.length > 0 ? Integer.parseInt(args[0]) : 65432;
        String a = args.length > 2 ? args[1] : "5", b = args.length > 2 ? args[2] : "10";
        try (Socket socket = new Socket("localhost", port)) {
            Writer requests = new BufferedWriter(
                new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8));
            BufferedReader replies = new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            requests.write(a + " " + b + "\n"); // println() would do, with autoflush on
            requests.flush();                   // one segment: "5 10\n"
            System.err.println(replies.readLine()); // Data received
            String reply = replies.readLine();      // 50.0
            if (reply == null || reply.startsWith("Error: ")) {
                System.err.println(reply == null ? "the connection ended" : reply);
                System.exit(1);
            }
            System.out.println(reply);
        } catch (IOException error) {
            System.err.println("localhost:" + port + ": " + error.getMessage());
            System.exit(1);
        }
    }
}
