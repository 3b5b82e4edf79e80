import { isDeepStrictEqual } from "node:util";
import { Random } from "../harness/random.ts";
import { Rights } from "../harness/rights.ts";
import type { Stack } from "../harness/stack.ts";
import { type Rows, rowKey, SyncClient } from "../harness/sync-client.ts";
import { expect, test } from "../harness/test.ts";
import { TokenSigner } from "../harness/token.ts";
import { World } from "../harness/world.ts";

const seed = Number(process.env.RIGHTS_SEED ?? 1);
const rounds = 4;
/** How many users there are, and how many of them are compared in each round. */
const users = 2000;
const compared = 600;
/** How many of them stay connected all the time. */
const connected = 40;

// The app runs the migrations and deploys the sync config.
test("the sync config delivers exactly the rows that row-level security lets each user read", async ({ app: _, stack }) => {
  test.setTimeout(180_000);
  await stack.configured();
  const random = new Random(seed);
  const world = new World(stack.sql, random, `rights-${Date.now()}-`);
  const proof = await Proof.begin(stack, world);
  try {
    await world.populate(users);
    await proof.connect(random.sample(world.users, connected));
    for (let round = 1; round <= rounds; round++) {
      await test.step(`round ${round}`, async () => {
        await proof.change(round, round === 1 ? 160 : 80);
        await proof.compareConnected(round);
        await proof.compareNew(round, random.sample(world.users, compared));
      });
    }
    // What makes the comparison worth something.
    expect(proof.rows).toBeGreaterThan(10_000);
    expect(proof.revoked).toBeGreaterThan(50);
  } finally {
    proof.close();
    await world.clear();
  }
});

/** Users' streams, held against what Postgres says. */
class Proof {
  /** How many rows have been compared. */
  rows = 0;
  /** How many rows were taken from a connected user while they went on to exist. */
  revoked = 0;
  private readonly live = new Map<string, { client: SyncClient; rows: Rows }>();

  private constructor(
    private readonly stack: Stack,
    private readonly world: World,
    private readonly signer: TokenSigner,
    private readonly rights: Rights,
  ) {}

  static async begin(stack: Stack, world: World): Promise<Proof> {
    return new Proof(stack, world, new TokenSigner(stack), await Rights.of(stack.sql));
  }

  /** Opens streams that stay open. */
  async connect(users: string[]) {
    // Whoever has a row notices being deleted.
    const mark = "0 ";
    await this.world.mark(users, mark);
    for (const user of users) {
      const client = await this.open(user);
      this.live.set(user, { client, rows: await client.read((rows) => rows.has(rowKey("rejections", mark + user))) });
    }
  }

  /**
   * Changes the world, and returns when everybody who is connected has been sent all of it: operations come in the
   * order of commits, so the last transaction marks the end. Nobody else's stream can begin before it either.
   */
  async change(round: number, transactions: number) {
    const mark = `${round} `;
    const read = [...this.live].map(async ([user, live]) => {
      const key = rowKey("rejections", mark + user);
      const all = (rows: Rows) => rows.has(key) || (this.world.isGone(user) && rows.size === 0);
      await live.client.read(all, 60_000).catch((error: unknown) => {
        throw new Error(`RIGHTS_SEED=${seed}, round ${round}, connected user ${JSON.stringify(user)}`, { cause: error });
      });
    });
    const changed = this.world.change(transactions).then(() => this.world.mark([...this.live.keys()], mark));
    await Promise.all([changed, ...read]);
  }

  /** Compares those who have been connected since the beginning. */
  async compareConnected(round: number) {
    const existing = await this.rights.all();
    for (const [user, live] of this.live) {
      const rows = live.client.rows();
      this.compare(`round ${round}, connected user`, user, rows, await this.rights.readable(user));
      for (const key of live.rows.keys()) if (!rows.has(key) && existing.has(key)) this.revoked++;
      live.rows = rows;
      if (!this.world.isGone(user)) continue;
      live.client.close();
      this.live.delete(user);
    }
  }

  /** Compares users who connect now, several at once. */
  async compareNew(round: number, users: string[]) {
    const left = users.values();
    const worker = async () => {
      for (const user of left) {
        const client = await this.open(user);
        const [rows, readable] = await Promise.all([client.read(), this.rights.readable(user)]);
        client.close();
        this.compare(`round ${round}, user`, user, rows, readable);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  }

  close() {
    for (const { client } of this.live.values()) client.close();
  }

  private open(user: string): Promise<SyncClient> {
    return SyncClient.open(this.stack.environment.VITE_POWERSYNC_URL ?? "", this.signer.token(user));
  }

  private compare(when: string, user: string, sent: Rows, readable: Rows) {
    this.rows += readable.size;
    const keys = new Set([...sent.keys(), ...readable.keys()]);
    const differing = [...keys].filter((key) => !isDeepStrictEqual(sent.get(key), readable.get(key)));
    if (differing.length === 0) return;
    const rows = differing.slice(0, 10).map((key) => ({ key, sent: sent.get(key), readable: readable.get(key) }));
    throw new Error(
      `RIGHTS_SEED=${seed}, ${when} ${JSON.stringify(user)}: ${differing.length} rows differ, among them ` +
        JSON.stringify(rows, undefined, 2),
    );
  }
}
