import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Reads one person's tags straight from Redis, decayed to now, for one purpose, and leaves the record of it.
 *
 * <pre>java examples/ReadProfile.java HOST PORT PREFIX READER PURPOSE USER [NOW_MS]</pre>
 *
 * It speaks RESP over a socket, so that it runs without a library; a service has a client of Redis and a reader of JSON.
 * What the keys hold: docs/reading-redis.md.
 */
public final class ReadProfile {
    private static final String KEPT_RECORDS = "200000";

    public static void main(String[] args) throws IOException {
        String prefix = args[2], reader = args[3], purpose = args[4], user = args[5];
        long nowMs = args.length > 6 ? Long.parseLong(args[6]) : System.currentTimeMillis();
        try (Socket socket = new Socket(args[0], Integer.parseInt(args[1]))) {
            socket.setSoTimeout(1_000);
            // one transaction: no read without its record
            List<?> replies = transaction(socket, List.of(
                new String[] {"XADD", prefix + ":audit", "MAXLEN", "~", KEPT_RECORDS, "*",
                    "reader", reader, "purpose", purpose, "sensitive", "0",
                    "operation", "profile", "people", "1", "users", user},
                new String[] {"HGETALL", prefix + ":catalogue"},
                new String[] {"HGETALL", prefix + ":p:{" + user + "}"}));
            Map<String, String> catalogue = mapping(replies.get(1)), profile = mapping(replies.get(2));
            if (profile.isEmpty()) {
                System.err.println("no profile");
                System.exit(1);
            }
            double elapsedMs = nowMs - Long.parseLong(profile.get("_as_of_ms"));
            Map<String, Double> weights = new LinkedHashMap<>();
            profile.forEach((field, text) -> {
                String group = catalogue.get(field.split(":", 2)[0]);
                if (field.startsWith("_") || group == null
                        || !value(group, "purpose").equals(purpose) || value(group, "sensitivity").equals("sensitive")) {
                    return;
                }
                if (value(group, "kind").equals("numeric") && (field.endsWith(".mean") || field.endsWith(".std"))) {
                    return; // these don't decay
                }
                double halfLifeMs = Double.parseDouble(value(group, "half_life_ms"));
                weights.put(field, Double.parseDouble(text) * Math.pow(2, -elapsedMs / halfLifeMs));
            });
            weights.entrySet().stream()
                .sorted(Map.Entry.<String, Double>comparingByValue().reversed())
                .forEach(each -> System.out.println(each.getKey() + "\t" + each.getValue()));
        }
    }

    /** A text or number of the catalogue's JSON, which has no spaces between. */
    private static String value(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"?([^\",]*)").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    private static List<?> transaction(Socket socket, List<String[]> commands) throws IOException {
        StringBuilder sent = new StringBuilder(command("MULTI"));
        commands.forEach(words -> sent.append(command(words)));
        socket.getOutputStream().write(sent.append(command("EXEC")).toString().getBytes(UTF_8));
        InputStream in = new BufferedInputStream(socket.getInputStream());
        for (int i = 0; i <= commands.size(); i++) {
            reply(in); // OK, and QUEUED for each
        }
        return (List<?>) reply(in);
    }

    private static String command(String... words) {
        StringBuilder text = new StringBuilder("*" + words.length + "\r\n");
        for (String word : words) {
            text.append("$" + word.getBytes(UTF_8).length + "\r\n" + word + "\r\n");
        }
        return text.toString();
    }

    private static Object reply(InputStream in) throws IOException {
        int kind = in.read();
        String line = line(in);
        switch (kind) {
            case '+': case ':':
                return line;
            case '$': {
                int length = Integer.parseInt(line);
                return length < 0 ? null : new String(in.readNBytes(length + 2), 0, length, UTF_8);
            }
            case '*': {
                List<Object> found = new ArrayList<>();
                for (int left = Integer.parseInt(line); left > 0; left--) {
                    found.add(reply(in));
                }
                return found;
            }
            default:
                throw new IOException("Redis: " + (kind < 0 ? "connection closed" : line));
        }
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int next = in.read(); next >= 0 && next != '\r'; next = in.read()) {
            text.append((char) next);
        }
        in.read(); // the line feed
        return text.toString();
    }

    private static Map<String, String> mapping(Object reply) throws IOException {
        Map<String, String> found = new LinkedHashMap<>();
        List<?> words = (List<?>) reply;
        for (int i = 0; i < words.size(); i += 2) {
            found.put((String) words.get(i), (String) words.get(i + 1));
        }
        return found;
    }
}
