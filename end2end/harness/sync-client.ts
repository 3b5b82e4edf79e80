/** A row as a browser gets it: its columns without the id. */
export type Row = Record<string, unknown>;

/** Rows by table and id. */
export type Rows = Map<string, Row>;

export interface Operation {
  op_id: string;
  op: "PUT" | "REMOVE" | "MOVE" | "CLEAR";
  object_type?: string;
  object_id?: string;
  checksum: number;
  /** A row as JSON; not in a string where the client does not ask for `raw_data`. */
  data?: string | Row;
}

interface Checksum {
  bucket: string;
  checksum: number;
}

type Line = Partial<{
  checkpoint: { buckets: Checksum[] };
  checkpoint_diff: { updated_buckets: Checksum[]; removed_buckets: string[] };
  data: { bucket: string; data: Operation[] };
  checkpoint_complete: object;
}>;

class Bucket {
  readonly rows = new Map<string, { opId: bigint; row: Row }>();
  sum = 0;
  /** What the sum has to be at the end of the checkpoint. */
  expected = 0;

  apply({ op, op_id, object_type, object_id, checksum, data }: Operation) {
    if (op === "CLEAR") {
      this.rows.clear();
      this.sum = 0;
    }
    this.sum = (this.sum + checksum) | 0;
    const key = rowKey(object_type, object_id);
    if (op === "PUT") this.rows.set(key, { opId: BigInt(op_id), row: rowOf(data) });
    if (op === "REMOVE") this.rows.delete(key);
  }
}

/** One user's stream of `POST /sync/stream`, and what a PowerSync client would have of it in SQLite. */
export class SyncClient {
  private readonly buckets = new Map<string, Bucket>();

  private constructor(
    private readonly lines: AsyncIterator<Line>,
    private readonly abort: AbortController,
  ) {}

  static async open(url: string, token: string, request: object = {}): Promise<SyncClient> {
    const abort = new AbortController();
    const answer = await fetch(`${url}/sync/stream`, {
      method: "POST",
      headers: { authorization: `Token ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ buckets: [], include_checksum: true, raw_data: true, ...request }),
      signal: abort.signal,
    });
    if (!answer.ok || !answer.body) throw new Error(`${answer.status}: ${await answer.text()}`);
    return new SyncClient(linesOf(answer.body), abort);
  }

  /** Reads on until a checkpoint is complete with which `enough` holds; throws if it takes longer than `patience`. */
  async read(enough: (rows: Rows) => boolean = () => true, patience = 20_000): Promise<Rows> {
    const giveUp = () => this.abort.abort(new Error(`The stream had not sent enough after ${patience} ms.`));
    const timer = setTimeout(giveUp, patience);
    try {
      for (;;) {
        const { value, done } = await this.lines.next();
        if (done) throw new Error("The stream has ended.");
        if (!this.apply(value)) continue;
        const rows = this.rows();
        if (enough(rows)) return rows;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** The row with the latest operation, where several buckets have it. */
  rows(): Rows {
    const latest = new Map<string, { opId: bigint; row: Row }>();
    for (const { rows } of this.buckets.values()) {
      for (const [key, entry] of rows) {
        const other = latest.get(key);
        if (!other || other.opId < entry.opId) latest.set(key, entry);
      }
    }
    return new Map([...latest].map(([key, { row }]) => [key, row]));
  }

  get bucketNames(): string[] {
    return [...this.buckets.keys()];
  }

  close() {
    this.abort.abort();
  }

  /** Whether a checkpoint is complete now. */
  private apply(line: Line): boolean {
    if (line.checkpoint) {
      const names = new Set(line.checkpoint.buckets.map(({ bucket }) => bucket));
      for (const name of this.buckets.keys()) if (!names.has(name)) this.buckets.delete(name);
      for (const bucket of line.checkpoint.buckets) this.expect(bucket);
    }
    for (const name of line.checkpoint_diff?.removed_buckets ?? []) this.buckets.delete(name);
    for (const bucket of line.checkpoint_diff?.updated_buckets ?? []) this.expect(bucket);
    if (line.data) {
      const bucket = this.buckets.get(line.data.bucket);
      if (!bucket) throw new Error(`There is data of ${line.data.bucket}, which is not in the checkpoint.`);
      for (const operation of line.data.data) bucket.apply(operation);
    }
    if (!line.checkpoint_complete) return false;
    for (const [name, { sum, expected }] of this.buckets) {
      if (sum !== expected) throw new Error(`The checksum of ${name} is ${sum} in place of ${expected}.`);
    }
    return true;
  }

  private expect({ bucket: name, checksum }: Checksum) {
    const bucket = this.buckets.get(name) ?? new Bucket();
    bucket.expected = checksum | 0;
    this.buckets.set(name, bucket);
  }
}

/** A row's name in `Rows`. */
export function rowKey(table = "", id = ""): string {
  return JSON.stringify([table, id]);
}

/** What an operation's data says. */
export function rowOf(data: Operation["data"]): Row {
  const { id: _, ...row } = typeof data === "string" ? (JSON.parse(data) as Row) : (data ?? {});
  return row;
}

/** The JSON lines of a body. */
export async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Line, void> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as Line;
  }
}
