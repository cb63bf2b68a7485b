import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;

/** Java's HttpClient, which offers `Upgrade: h2c`. Arguments: METHOD URL BODY_FILE|- OUT_FILE NAME:VALUE…; prints the status. */
public class Client {
    public static void main(String[] args) throws Exception {
        var body = args[2].equals("-") ? BodyPublishers.noBody() : BodyPublishers.ofFile(Path.of(args[2]));
        var request = HttpRequest.newBuilder(URI.create(args[1])).method(args[0], body);
        for (int i = 4; i < args.length; i++) {
            var pair = args[i].split(":", 2);
            request.header(pair[0], pair[1]);
        }
        var reply = HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofFile(Path.of(args[3])));
        System.out.print(reply.statusCode());
    }
}
