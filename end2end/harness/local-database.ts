import type { Page } from "@playwright/test";
import { userId } from "./device.ts";
import { clientTables } from "./floor.ts";
import type { Stack } from "./stack.ts";

/** A piece of SQL with its parameters. */
export interface Statement {
  sql: string;
  parameters: unknown[];
}

/** How many rows a table has in a user's database in this browser, whatever of them the page shows. */
export async function localRows(page: Page, stack: Stack, table: string, user?: string): Promise<number> {
  const count = { sql: `SELECT COUNT(*) FROM ${table}`, parameters: [] };
  const [[rows]] = (await localResults(page, stack, [count], user)) as [[[number]]];
  return rows[0];
}

/** What a user's database in this browser answers: for each statement its rows, each an array of columns. */
export async function localResults(page: Page, stack: Stack, statements: Statement[], user?: string) {
  return inDatabase(page, stack, statements, "readLock", user);
}

/** Writes into a user's database in this browser, in one transaction, past the app and what it would refuse. */
export async function localWrite(page: Page, stack: Stack, statements: Statement[], user?: string) {
  await inDatabase(page, stack, statements, "writeTransaction", user);
}

async function inDatabase(page: Page, stack: Stack, statements: Statement[], lock: "readLock" | "writeTransaction", user?: string) {
  const setup = { file: `${user ?? (await userId(page))}.db`, tables: await clientTables(stack), statements, lock };
  return page.evaluate(async ({ file, tables, statements, lock }) => {
    const [sdk, worker] = ["/powersync/sdk.js", "/powersync/worker.js"];
    const { PowerSyncDatabase } = await import(sdk);
    const db = new PowerSyncDatabase({
      schema: { toJSON: () => ({ tables }), validate() {}, tables: [], rawTables: [] },
      database: { dbFilename: file, vfs: "OPFSCoopSyncVFS", worker },
      sync: { worker },
    });
    const results: unknown[][][] = [];
    await db[lock](async (connection: { executeRaw: (sql: string, parameters: unknown[]) => Promise<{ rawRows: unknown[][] }> }) => {
      for (const { sql, parameters } of statements) results.push((await connection.executeRaw(sql, parameters)).rawRows);
    });
    await db.close();
    return results;
  }, setup);
}
