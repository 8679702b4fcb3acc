import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Uploads a file by every form of Java's own client: {@code Upload RAW FORM TOKEN FILE}, an answer a line. */
public class Upload {
    private static final String BOUNDARY = "a-boundary-0123456789";
    private final HttpClient client;
    private final String token;

    private Upload(HttpClient.Version version, String token) {
        this.client = HttpClient.newBuilder().version(version).build();
        this.token = token;
    }

    private void post(String url, BodyPublisher body, String type) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(url))
                .header("Authorization", "Bearer " + token)
                .header("Content-Type", type)
                .POST(body)
                .build();
        System.out.println(client.send(request, BodyHandlers.ofString()).body());
    }

    private static BodyPublisher formOf(byte[] content) {
        var field = part("category", "") + "temp\r\n";
        var file = part("file", "; filename=\"a.bin\"\r\nContent-Type: video/mp4");
        return BodyPublishers.concat(
                BodyPublishers.ofString(field + file),
                BodyPublishers.ofByteArray(content),
                BodyPublishers.ofString("\r\n--" + BOUNDARY + "--\r\n", StandardCharsets.UTF_8));
    }

    private static String part(String name, String more) {
        return "--" + BOUNDARY + "\r\nContent-Disposition: form-data; name=\"" + name + "\"" + more + "\r\n\r\n";
    }

    public static void main(String[] told) throws IOException, InterruptedException {
        var path = Path.of(told[3]);
        var content = Files.readAllBytes(path);
        // Its default offers HTTP/2 by an upgrade with every first request.
        for (var version : HttpClient.Version.values()) {
            new Upload(version, told[2]).post(told[0], BodyPublishers.ofByteArray(content), "video/mp4");
            new Upload(version, told[2]).post(told[0], BodyPublishers.ofFile(path), "video/mp4");
            new Upload(version, told[2]).post(
                    told[0], BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(content)), "video/mp4");
            new Upload(version, told[2]).post(told[1], formOf(content), "multipart/form-data; boundary=" + BOUNDARY);
        }
    }
}
