import type { BrowserContext, Page } from "@playwright/test";
import type { Stack } from "./stack.ts";

interface Setup {
  tables: { name: string; columns: { name: string; type: string }[] }[];
  session: { user_id: string; powersync_url: string; token_endpoint: string };
  list: string;
}

/**
 * An empty page with a form for new todos and a bare `<ul>` of them, made of the SDK in plain JavaScript: the least that
 * PowerSync can do in a browser. It has the app's own schema, token endpoint, upload endpoint and options, so what
 * the app takes beyond it is the app's. Its todos are on the list with the id `list`, which is made if need be.
 */
export async function openFloor(context: BrowserContext, stack: Stack, list: string): Promise<Page> {
  // Asking for a page makes the guest without running the app.
  const html = await (await context.request.get("/")).text();
  const page = await context.newPage();
  await page.goto("/health");
  const session = await page.evaluate((html) => {
    const meta = new DOMParser().parseFromString(html, "text/html").querySelector("meta[name=session]");
    return JSON.parse(meta?.getAttribute("content") ?? "") as Setup["session"];
  }, html);
  await page.evaluate(run, { tables: await clientTables(stack), session, list });
  return page;
}

/** The schema of the browser's database: what Postgres publishes. */
export async function clientTables({ sql }: Stack): Promise<Setup["tables"]> {
  return sql<Setup["tables"]>`
    SELECT table_name AS name, json_agg(json_build_object(
      'name', column_name,
      'type', CASE WHEN data_type IN ('boolean', 'bigint') THEN 'INTEGER' ELSE 'TEXT' END)) AS columns
    FROM information_schema.columns
    JOIN pg_publication_tables ON schemaname = table_schema AND tablename = table_name
    WHERE column_name <> 'id'
    GROUP BY table_name`;
}

/** Runs in the page. */
async function run({ tables, session, list }: Setup) {
  document.body.innerHTML = '<main><form><input aria-label="New todo" /><button>Add todo</button></form><ul></ul></main>';
  const [form, input, rows] = ["form", "input", "ul"].map((name) => document.querySelector(name)) as [
    HTMLFormElement,
    HTMLInputElement,
    HTMLUListElement,
  ];
  const sdk = "/powersync/sdk.js";
  const { PowerSyncDatabase } = await import(sdk);
  const worker = "/powersync/worker.js";
  const db = new PowerSyncDatabase({
    schema: { toJSON: () => ({ tables }), validate() {}, tables: [], rawTables: [] },
    database: { dbFilename: "floor.db", vfs: "OPFSCoopSyncVFS", worker },
    sync: { worker },
  });

  const show = async () => {
    const todos = await db.getAll("SELECT title FROM todos WHERE list_id = ? ORDER BY created_at, id", [list]);
    rows.replaceChildren(
      ...todos.map(({ title }: { title: string }) => {
        const row = document.createElement("li");
        row.textContent = title;
        return row;
      }),
    );
  };
  db.onChange({ onChange: show }, { tables: ["todos"], throttleMs: 0 });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void db.execute("INSERT INTO todos (id, list_id, title, done, created_at) VALUES (?, ?, ?, 0, ?)", [
      crypto.randomUUID(),
      list,
      input.value,
      new Date().toISOString(),
    ]);
  });

  const connector = {
    fetchCredentials: async () => {
      const { token } = await (await fetch(session.token_endpoint)).json();
      return { endpoint: session.powersync_url, token };
    },
    uploadData: async () => {
      const transactions = [];
      let last;
      for await (const transaction of db.getCrudTransactions()) {
        transactions.push({ changes: transaction.crud });
        last = transaction;
      }
      if (!last) return;
      const body = JSON.stringify({ client_id: await db.getClientId(), transactions });
      const headers = { "content-type": "application/json" };
      const { ok, status } = await fetch("/api/sync", { method: "POST", headers, body });
      if (!ok) throw new Error(`The server answered an upload with status ${status}.`);
      await last.complete();
    },
  };
  await db.connect(connector, { crudUploadThrottleMs: 0, retryDelayMs: 1000 });
  await db.waitForFirstSync();
  if ((await db.getOptional("SELECT id FROM lists WHERE id = ?", [list])) === null) {
    await db.execute("INSERT INTO lists (id, owner_id, name, created_at) VALUES (?, ?, 'Floor', ?)", [
      list,
      session.user_id,
      new Date().toISOString(),
    ]);
  }
}
