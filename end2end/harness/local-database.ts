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
  const setup = { file: `${user ?? (await userId(page))}.db`, tables: await clientTables(stack), statements };
  return page.evaluate(async ({ file, tables, statements }) => {
    const [sdk, worker] = ["/powersync/sdk.js", "/powersync/worker.js"];
    const { PowerSyncDatabase } = await import(sdk);
    const db = new PowerSyncDatabase({
      schema: { toJSON: () => ({ tables }), validate() {}, tables: [], rawTables: [] },
      database: { dbFilename: file, vfs: "OPFSCoopSyncVFS", worker },
      sync: { worker },
    });
    const results: unknown[][][] = [];
    for (const { sql, parameters } of statements) {
      const read = (connection: { executeRaw: (sql: string, parameters: unknown[]) => Promise<{ rawRows: unknown[][] }> }) =>
        connection.executeRaw(sql, parameters);
      results.push((await db.readLock(read)).rawRows);
    }
    await db.close();
    return results;
  }, setup);
}
