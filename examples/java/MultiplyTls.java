// Multiplies over TLS. Usage: java MultiplyTls.java CA HOST PORT [A B], for example ca.pem localhost 65443
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class MultiplyTls {
    /** Trusts only this authority, not those of the Java installation. */
    static SSLContext trusting(String file) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream pem = new FileInputStream(file)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    public static void main(String[] args) {
        if (args.length < 3) {
            System.err.println("Usage: java MultiplyTls.java CA HOST PORT [A B]");
            System.exit(1);
        }
        String host = args[1], where = host + ":" + args[2];
        String a = args.length > 4 ? args[3] : "5", b = args.length > 4 ? args[4] : "10";
        try (SSLSocket socket = (SSLSocket) trusting(args[0]).getSocketFactory()
                .createSocket(host, Integer.parseInt(args[2]))) {
            // Java checks the host's name only if it is asked to: without this, any certificate of the authority would do.
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            Writer requests = new BufferedWriter(
                new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8));
            BufferedReader replies = new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            requests.write(a + " " + b + "\n");
            requests.flush(); // the first bytes also begin the handshake
            System.err.println(replies.readLine()); // Data received
            String reply = replies.readLine();      // 50.0
            if (reply == null || reply.startsWith("Error: ")) {
                System.err.println(reply == null ? "the connection ended" : reply);
                System.exit(1);
            }
            System.out.println(reply);
        } catch (IOException | GeneralSecurityException error) {
            System.err.println(where + ": " + error.getMessage());
            System.exit(1);
        }
    }
}
