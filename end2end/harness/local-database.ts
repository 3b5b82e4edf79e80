import type { Page } from "@playwright/test";
import { userId } from "./device.ts";
import { clientTables } from "./floor.ts";
import type { Stack } from "./stack.ts";

/** How many rows a table has in a user's database in this browser, whatever of them the page shows. */
export async function localRows(page: Page, stack: Stack, table: string, user?: string): Promise<number> {
  const setup = { file: `${user ?? (await userId(page))}.db`, tables: await clientTables(stack), table };
  return page.evaluate(async ({ file, tables, table }) => {
    const [sdk, worker] = ["/powersync/sdk.js", "/powersync/worker.js"];
    const { PowerSyncDatabase } = await import(sdk);
    const db = new PowerSyncDatabase({
      schema: { toJSON: () => ({ tables }), validate() {}, tables: [], rawTables: [] },
      database: { dbFilename: file, vfs: "OPFSCoopSyncVFS", worker },
      sync: { worker },
    });
    const { count } = await db.get(`SELECT COUNT(*) AS count FROM ${table}`);
    await db.close();
    return count as number;
  }, setup);
}
