// Writes compose.env, the secrets that compose.yaml reads:
//
//   node compose-env.mjs [URL of the sync service for browsers, such as https://sync.example.com]
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

const file = "compose.env";
const url = process.argv[2] ?? "http://localhost:8081";
if (!/^https?:\/\/[^/\s]+$/.test(url)) {
  console.error(`${url} is not the URL of a sync service: write https:// and its host, without a slash at the end.`);
  process.exit(1);
}

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const { crv, kty, x } = publicKey.export({ format: "jwk" });
// The key's id by RFC 7638, as the server computes it: these members in this order.
const kid = createHash("sha256").update(JSON.stringify({ crv, kty, x })).digest("base64url");
const secret = () => randomBytes(24).toString("hex");

const lines = [
  "# For `docker compose --env-file compose.env`. Secrets: keep it out of git, and keep a copy in a safe place.",
  `VITE_POWERSYNC_URL=${url}`,
  `POWERSYNC_SIGNING_KEY=${privateKey.export({ format: "der", type: "pkcs8" }).toString("base64")}`,
  `POWERSYNC_JWK_KID=${kid}`,
  `POWERSYNC_JWK_X=${x}`,
  `POWERSYNC_API_TOKEN=${secret()}`,
  `POSTGRES_PASSWORD=${secret()}`,
  `APP_DATABASE_PASSWORD=${secret()}`,
  `POWERSYNC_DATABASE_PASSWORD=${secret()}`,
];
try {
  writeFileSync(file, `${lines.join("\n")}\n`, { flag: "wx", mode: 0o600 });
} catch (error) {
  const why = error.code === "EEXIST" ? "is there already, and new secrets would not fit the database" : error.message;
  console.error(`${file} is not written: ${why}. Keep it, or move it away first.`);
  process.exit(1);
}
console.log(`Wrote ${file}. Next: docker compose --env-file ${file} up --build --detach`);
