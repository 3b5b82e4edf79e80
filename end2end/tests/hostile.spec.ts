import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { Random } from "../harness/random.ts";
import { Rights } from "../harness/rights.ts";
import { linesOf, rowKey, rowOf, type Rows, SyncClient } from "../harness/sync-client.ts";
import { expect, test } from "../harness/test.ts";
import { TokenSigner } from "../harness/token.ts";
import { World } from "../harness/world.ts";

const seed = Number(process.env.HOSTILE_SEED ?? 1);
const requests = 3000;

/** What everybody knows or may have found out. */
interface Known {
  users: string[];
  lists: string[];
  /** All users' buckets. */
  buckets: string[];
}

interface Attacker {
  user: string;
  token: string;
  readable: Rows;
}

test("no request makes the sync service fail or send what its user may not read", async ({ app: _, stack }) => {
  test.setTimeout(180_000);
  await stack.configured();
  const url = stack.environment.VITE_POWERSYNC_URL ?? "";
  const random = new Random(seed);
  const signer = new TokenSigner(stack);
  const rights = await Rights.of(stack.sql);
  const world = new World(stack.sql, random, `hostile-${Date.now()}-`);
  try {
    // And no more: who may read a list is sent the history of its buckets, with rows that are no longer on it.
    await world.populate(400);
    const { users } = world;
    await world.mark(users, "mark ");
    const honest = async (user: string) => {
      const client = await SyncClient.open(url, signer.token(user));
      await client.read((rows) => rows.has(rowKey("rejections", `mark ${user}`)));
      client.close();
      return client;
    };
    const known: Known = { users, lists: world.lists, buckets: [] };
    for (const user of users) known.buckets.push(...(await honest(user)).bucketNames);
    const attackers: Attacker[] = [];
    for (const user of random.sample(users, 20)) {
      attackers.push({ user, token: signer.token(user), readable: await rights.readable(user) });
    }

    const statuses = new Map<number, number>();
    let rows = 0;
    const numbers = Array.from({ length: requests }, (_, number) => number).values();
    const worker = async () => {
      for (const number of numbers) {
        const attacker = random.pick(attackers);
        const request = hostileRequest(random, known, attacker);
        const { status, sent } = await send(url, request, attacker.readable).catch((error: unknown) => {
          const { body, ...head } = request;
          const which = `HOSTILE_SEED=${seed}, request ${number} of ${JSON.stringify(attacker.user)}`;
          throw new Error(`${which}: ${JSON.stringify(head)} ${body.toString().slice(0, 5000)}`, { cause: error });
        });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        rows += sent;
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    // What makes it worth something.
    expect(statuses.get(200)).toBeGreaterThan(requests / 5);
    expect(statuses.get(400)).toBeGreaterThan(requests / 5);
    expect(rows).toBeGreaterThan(1000);

    // And it goes on to serve.
    for (const { user, readable } of attackers) expect((await honest(user)).rows()).toEqual(readable);
  } finally {
    await world.clear();
  }
});

test("no forged token opens a stream", async ({ app: _, stack }) => {
  await stack.configured();
  const url = stack.environment.VITE_POWERSYNC_URL ?? "";
  const signer = new TokenSigner(stack);
  const open = (authorization: string) =>
    fetch(`${url}/sync/stream`, { method: "POST", headers: { authorization }, body: "{}", signal: AbortSignal.timeout(10_000) });
  for (const user of ["somebody", "", "0", "ann' OR true --", "🙂"]) {
    const right = await open(`Token ${signer.token(user)}`);
    expect(right.status).toBe(200);
    await right.body?.cancel();
    for (const authorization of forgedTokens(signer, url, user)) {
      expect((await open(authorization)).status, authorization).toBe(401);
    }
  }
});

interface HostileRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer<ArrayBuffer>;
}

/** Sends a request, and throws where the answer is what it must never be. */
async function send(url: string, { path, ...request }: HostileRequest, readable: Rows) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error("There was no complete checkpoint in time.")), 20_000);
  try {
    const answer = await fetch(url + path, { ...request, signal: abort.signal }).catch((error: Error) => {
      // Whoever refuses what is too large may hang up before all of it is sent, and the answer is lost then.
      const code = (error.cause as NodeJS.ErrnoException | undefined)?.code ?? "";
      if (request.body.length >= 1024 * 1024 && ["EPIPE", "ECONNRESET"].includes(code)) return undefined;
      throw error;
    });
    if (!answer) return { status: 413, sent: 0 };
    const { status } = answer;
    if (status === 200 && answer.body) return { status, sent: await readAll(answer.body, readable) };
    const text = await answer.text();
    // How the PowerSync Service refuses whoever subscribes to too much.
    if (status >= 500 && !text.includes("PSYNC_S2305")) throw new Error(`${status}: ${text}`);
    return { status, sent: 0 };
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** Reads up to the first complete checkpoint; gives how many rows came. */
async function readAll(body: ReadableStream<Uint8Array>, readable: Rows): Promise<number> {
  let sent = 0;
  for await (const line of linesOf(body)) {
    for (const { op, object_type, object_id, data } of line.data?.data ?? []) {
      // Tells a client whose position the bucket does not have to begin anew.
      if (op === "CLEAR" && object_id === undefined) continue;
      sent++;
      if (op === "PUT" && isDeepStrictEqual(readable.get(rowKey(object_type, object_id)), rowOf(data))) continue;
      throw new Error(`What the user may not read was sent: ${op} ${object_type} ${object_id} ${JSON.stringify(data)}`);
    }
    if (line.checkpoint_complete) return sent;
  }
  throw new Error("The stream ended before its checkpoint was complete.");
}

const streams = ["lists", "todos", "members", "invitations", "rejections", "users", "sessions", "", "*", "Lists", "lists|0"];
const names = ["user_id", "list_id", "id", "owner_id", "sub", "auth", "role", "", "__proto__", "'; DROP TABLE lists; --"];
const positions = ["0", "1", "7", "1000000", "-1", "9223372036854775807", "-9223372036854775808"];
const noPositions = ["9223372036854775808", "0.5", "1e3", "", "x", " 1", "+-1"];
/** What a parser may stumble over; not all of it is JSON. */
const oddities = [
  "null",
  "true",
  "-0",
  "0.1",
  "1e400",
  "18446744073709551616",
  "9".repeat(400),
  '"\\u0000"',
  '"\\ud83e"',
  '"١"',
  '" "',
  "[]",
  "{}",
  "[[]]",
  '{"__proto__":{}}',
  "NaN",
  "'x'",
  "[".repeat(5000),
  "[".repeat(100) + "]".repeat(100),
  '{"a":'.repeat(120) + "1" + "}".repeat(120),
  `"${"x".repeat(100_000)}"`,
  `"${"x".repeat(3_000_000)}"`,
];
const types = ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/bson", "?"];

function hostileRequest(random: Random, known: Known, { user, token }: Attacker): HostileRequest {
  const victim = random.pick(known.users);
  const headers: Record<string, string> = { authorization: `${random.pick(["Token", "Bearer", "bearer"])} ${token}` };
  headers["content-type"] = random.oneIn(3) ? random.pick(types) : "application/json";
  if (random.oneIn(8)) headers.accept = random.pick(["application/vnd.powersync.bson-stream", "*/*", "text/html;q=9"]);
  if (random.oneIn(20)) headers["content-encoding"] = random.pick(["gzip", "zstd", "identity"]);
  if (random.oneIn(8)) headers[random.pick(["x-user-id", "x-forwarded-user", "cookie"])] = `id=${encodeURIComponent(victim)}`;
  return {
    method: random.oneIn(30) ? random.pick(["PUT", "PATCH", "DELETE"]) : "POST",
    path: `/sync/stream${random.oneIn(8) ? `?user_id=${encodeURIComponent(victim)}&sub=${encodeURIComponent(victim)}` : ""}`,
    headers,
    body: hostileBody(random, forgedBody(random, known, user)),
  };
}

/** A body of the right shape that asks for what is others'. */
function forgedBody(random: Random, known: Known, user: string) {
  // Mostly small; rarely more than anybody can want.
  const some = <T>(one: () => T) => Array.from({ length: random.below(random.oneIn(60) ? 5000 : 8) }, one);
  const id = () => random.pick(random.pick([known.users, known.lists]));
  const value = () => random.pick<unknown>([id(), [id(), id()], { id: id() }, random.below(9), null, true, JSON.stringify([id()])]);
  const parameters = () => Object.fromEntries(some(() => [random.pick(names), value()]));
  const after = random.oneIn(8) ? noPositions : positions;
  const bucket = () => {
    const name = random.pick(known.buckets);
    // A bucket's name ends in its key, as JSON.
    return random.pick([name, name.replace(/\[.*$/s, JSON.stringify([id()])), name.replace(/^\d+/, String(random.below(99))), id()]);
  };
  return {
    buckets: some(() => ({ name: bucket(), after: random.pick(after) })),
    include_checksum: random.oneIn(2),
    raw_data: random.oneIn(2),
    client_id: random.pick([user, random.pick(known.users)]),
    parameters: parameters(),
    app_metadata: random.pick<unknown>([{}, parameters(), null, [], id()]),
    streams: {
      include_defaults: !random.oneIn(4),
      subscriptions: some(() => ({
        stream: random.pick(random.oneIn(6) ? known.buckets : streams),
        parameters: random.oneIn(5) ? null : parameters(),
        override_priority: random.pick([null, 0, 1, 3]),
      })),
    },
  };
}

/** Sends it as it is, or spoils it. */
function hostileBody(random: Random, right: object): Buffer<ArrayBuffer> {
  const json = JSON.stringify(right);
  switch (random.below(6)) {
    case 0:
    case 1:
      return Buffer.from(json);
    case 2:
    case 3: {
      const spoiled = structuredClone(right) as Record<string, unknown>;
      spoil(random, spoiled);
      return Buffer.from(JSON.stringify(spoiled).replaceAll('"spoiled"', random.pick(oddities)));
    }
    case 4: {
      const bytes = Buffer.from(json);
      for (let left = 1 + random.below(4); left > 0; left--) bytes[random.below(bytes.length)] = random.below(256);
      return random.oneIn(3) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    }
    default:
      // The same keys a second time, or only something odd.
      return Buffer.from(
        random.oneIn(2) ? random.pick(oddities) : `${json.slice(0, -1)},"${random.pick(Object.keys(right))}":${random.pick(oddities)}}`,
      );
  }
}

/** Puts a mark in the place of one value, however deep. */
function spoil(random: Random, value: Record<string, unknown>) {
  const keys = Object.keys(value);
  const key = random.pick(keys);
  const inner = value[key];
  if (typeof inner === "object" && inner !== null && Object.keys(inner).length > 0 && !random.oneIn(4)) {
    spoil(random, inner as Record<string, unknown>);
  } else {
    value[key] = "spoiled";
  }
}

/** `Authorization` headers that name a user, each with something wrong. */
function forgedTokens(signer: TokenSigner, audience: string, user: string): string[] {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const { privateKey: otherKey } = generateKeyPairSync("ed25519");
  const right = signer.token(user);
  const [header = "", payload = "", signature = ""] = right.split(".");
  const kid = (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid;
  const other = `${header}.${encode({ sub: user, aud: audience, iat: now, exp: now + 301 })}`;
  const none = `${encode({ alg: "none", kid })}.${payload}`;
  // The public key is no secret, so a signature by HMAC with it proves nothing.
  const symmetric = `${encode({ alg: "HS256", kid })}.${payload}`;
  return [
    "",
    "Token",
    `Basic ${right}`,
    `Token ${header}.${payload}`,
    `Token ${header}.${payload}.`,
    `Token ${none}.`,
    `Token ${none}.${signature}`,
    `Token ${symmetric}.${createHmac("sha256", signer.publicKey).update(symmetric).digest("base64url")}`,
    `Token ${other}.${signature}`,
    `Token ${other}.${sign(null, Buffer.from(other), otherKey).toString("base64url")}`,
    ...[
      signer.token(user, { iat: now - 400, exp: now - 100 }),
      signer.token(user, { exp: now + 10 * 365 * 86_400 }),
      signer.token(user, { exp: undefined }),
      signer.token(user, { exp: "never" }),
      signer.token(user, { nbf: now + 3600 }),
      signer.token(user, { aud: undefined }),
      signer.token(user, { aud: "https://elsewhere.example" }),
      signer.token(user, { aud: [] }),
      signer.token(user, { sub: undefined }),
      signer.token(user, { sub: { id: user } }),
      signer.token(user, {}, { kid: "another" }),
      signer.token(user, {}, { kid: undefined }),
      signer.token(user, {}, { alg: "none" }),
      signer.token(user, {}, { alg: "ES256" }),
    ].map((token) => `Token ${token}`),
  ];
}
