// Reads one person's tags straight from Redis, decayed to now, for one purpose, and leaves the record of it.
//
//   node examples/read_profile.mjs HOST PORT PREFIX READER PURPOSE USER [NOW_MS]
//
// It speaks RESP over a socket, so that it runs without a package; a service has a client of Redis (npm install redis).
// What the keys hold: docs/reading-redis.md.
import { connect } from "node:net";

const KEPT_RECORDS = "200000";

const [host, port, prefix, reader, purpose, user, now = String(Date.now())] = process.argv.slice(2);

const command = (...words) =>
  `*${words.length}\r\n` + words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");

/** The reply that begins at `at`, and where the next one does; null while it is not all there. */
function reply(bytes, at) {
  const end = bytes.indexOf("\r\n", at);
  if (end < 0) return null;
  const [kind, line, next] = [String.fromCharCode(bytes[at]), bytes.toString("utf8", at + 1, end), end + 2];
  if (kind === "-") throw new Error(`Redis: ${line}`);
  if (kind === "$" && Number(line) >= 0) {
    const stop = next + Number(line);
    return bytes.length < stop + 2 ? null : [bytes.toString("utf8", next, stop), stop + 2];
  }
  if (kind === "*") {
    const found = [];
    let from = next;
    for (let left = Number(line); left > 0; left--) {
      const one = reply(bytes, from);
      if (one === null) return null;
      found.push(one[0]);
      from = one[1];
    }
    return [found, from];
  }
  return [kind === "$" ? null : line, next];
}

/** The replies to the commands, which are done as one transaction. */
function transaction(...commands) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host, () =>
      socket.write(command("MULTI") + commands.map((words) => command(...words)).join("") + command("EXEC")),
    );
    socket.setTimeout(1_000, () => socket.destroy(new Error("Redis: no answer within a second")));
    let bytes = Buffer.alloc(0);
    socket.on("error", reject);
    socket.on("end", () => reject(new Error("Redis: connection closed")));
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      try {
        let at = 0;
        for (let left = commands.length + 2; left > 0; left--) { // OK, QUEUED for each, what EXEC answers
          const one = reply(bytes, at);
          if (one === null) return;
          if (left === 1) { socket.destroy(); resolve(one[0]); }
          at = one[1];
        }
      } catch (error) { socket.destroy(error); }
    });
  });
}

const mapping = (words) => new Map(words.flatMap((word, i) => (i % 2 ? [] : [[word, words[i + 1]]])));

// one transaction: no read without its record
const [, published, fields] = await transaction(
  ["XADD", `${prefix}:audit`, "MAXLEN", "~", KEPT_RECORDS, "*", "reader", reader, "purpose", purpose, "sensitive", "0",
    "operation", "profile", "people", "1", "users", user],
  ["HGETALL", `${prefix}:catalogue`],
  ["HGETALL", `${prefix}:p:{${user}}`],
);
const [catalogue, profile] = [mapping(published), mapping(fields)];
if (profile.size === 0) {
  console.error("no profile");
  process.exit(1);
}
const elapsedMs = Number(now) - Number(profile.get("_as_of_ms"));
const weights = [];
for (const [field, text] of profile) {
  const json = catalogue.get(field.split(":", 1)[0]);
  if (field.startsWith("_") || json === undefined) continue;
  const group = JSON.parse(json);
  if (group.purpose !== purpose || group.sensitivity === "sensitive") continue;
  if (group.kind === "numeric" && /\.(mean|std)$/.test(field)) continue; // these don't decay
  weights.push([field, Number(text) * 2 ** (-elapsedMs / group.half_life_ms)]);
}
for (const [tag, weight] of weights.sort((one, other) => other[1] - one[1])) console.log(`${tag}\t${weight}`);
