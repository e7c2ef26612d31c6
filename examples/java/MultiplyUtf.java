// Multiplies with writeUTF and readUTF: a length of two bytes before each text. Usage: java MultiplyUtf.java [PORT [A B]]
import java.io.*;
import java.net.Socket;

public class MultiplyUtf {
    public static void main(String[] args) {
        int port = args.length > 0 ? Integer.parseInt(args[0]) : 65432;
        String a = args.length > 2 ? args[1] : "5", b = args.length > 2 ? args[2] : "10";
        try (Socket socket = new Socket("localhost", port)) {
            DataOutputStream requests = new DataOutputStream(socket.getOutputStream());
            DataInputStream replies = new DataInputStream(socket.getInputStream());
            requests.writeUTF(a + " " + b); // on the wire: 00 04 "5 10"
            // The daemon answers in the same form. Servers in other languages do not know it: send them lines.
            System.err.println(replies.readUTF()); // 00 0d "Data received"
            String reply = replies.readUTF();      // 00 04 "50.0"
            if (reply.startsWith("Error: ")) {
                System.err.println(reply);
                System.exit(1);
            }
            System.out.println(reply);
        } catch (IOException error) {
            System.err.println("localhost:" + port + ": " + error.getMessage());
            System.exit(1);
        }
    }
}
