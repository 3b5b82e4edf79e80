import type { Page } from "@playwright/test";
import { userId } from "../harness/device.ts";
import { localResults, localRows, localWrite } from "../harness/local-database.ts";
import { addList, list, lists, notices, remove, synced } from "../harness/pages.ts";
import type { Stack } from "../harness/stack.ts";
import { expect, test } from "../harness/test.ts";

// More than the server takes at once.
const count = 12_000;

test("a change of more rows than are taken at once is refused where it is made", async ({ device, stack }) => {
  test.setTimeout(180_000);
  const page = await device.open();
  await longList(page, stack);
  await remove(page, "Long");
  await expect(notices(page)).toContainText("That could not be saved on this device: this is too much at once.", {
    timeout: 60_000,
  });
  await expect(list(page, "Long")).toBeVisible();
  await synced(page);
  expect(await localRows(page, stack, "ps_crud")).toBe(0);
});

test("what stands in the queue and is too large to be sent leaves it with a notice", async ({ device, stack }) => {
  test.setTimeout(180_000);
  const page = await device.open();
  const id = await longList(page, stack);
  // As an older version of the app has left it.
  const all = { sql: "UPDATE todos SET done = 1 WHERE list_id = ?", parameters: [id] };
  await localWrite(page, stack, [all]);
  await page.reload();
  await expect(notices(page)).toContainText(`${count} rows were changed together`, { timeout: 60_000 });
  await addList(page, "Behind");
  await expect.poll(async () => stack.sql`SELECT FROM lists WHERE name = 'Behind' AND owner_id = ${await userId(page)}`).toHaveLength(1);
  await expect(lists(page)).toHaveCount(2);
  await synced(page);
  expect(await localRows(page, stack, "ps_crud")).toBe(0);
  // Here as on the server, all is as it was.
  expect(await stack.sql`SELECT FROM todos WHERE list_id = ${id} AND done`).toHaveLength(0);
  const done = { sql: "SELECT COUNT(*) FROM todos WHERE list_id = ? AND done", parameters: [id] };
  await expect.poll(() => localResults(page, stack, [done])).toEqual([[[0]]]);
});

test("each opening of the local database is an epoch, which what is written then belongs to", async ({ device, stack }) => {
  const page = await device.open();
  const user = await userId(page);
  const epochs = () => stack.sql<{ epoch: string }[]>`SELECT epoch FROM upload_watermarks WHERE user_id = ${user} ORDER BY began_at`;
  await addList(page, "First");
  await synced(page);
  await expect.poll(epochs).toHaveLength(1);
  await page.reload();
  await addList(page, "Second");
  await synced(page);
  await expect.poll(epochs).toHaveLength(2);
  const [first, second] = await epochs();
  expect(first?.epoch).not.toBe("");
  const kept = { sql: "SELECT id FROM upload_epochs ORDER BY first_op", parameters: [] };
  // The first is forgotten at the next opening.
  await page.reload();
  await synced(page);
  await expect.poll(() => localResults(page, stack, [kept])).toEqual([[[expect.any(String)]]]);
  expect(await localResults(page, stack, [kept])).not.toEqual([[[second?.epoch]]]);
});

/** A list of the page's user with more todos than are taken at once, which the page has; its id. */
async function longList(page: Page, stack: Stack): Promise<string> {
  await addList(page, "Long");
  await synced(page);
  const user = await userId(page);
  const [row] = await stack.sql<{ id: string }[]>`SELECT id FROM lists WHERE owner_id = ${user}`;
  const id = row?.id ?? "";
  await stack.sql`
    INSERT INTO todos (id, list_id, title)
    SELECT ${`${id} `} || n, ${id}, 'Todo ' || n FROM generate_series(1, ${count}::int) AS n`;
  await expect(list(page, "Long")).toContainText(`0 of ${count} done`, { timeout: 120_000 });
  return id;
}
