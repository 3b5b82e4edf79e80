import type { Page } from "@playwright/test";
import type { App } from "../harness/app.ts";
import { userId } from "../harness/device.ts";
import { addList, addTodo, openList, synced, todos } from "../harness/pages.ts";
import type { Stack } from "../harness/stack.ts";
import { expect, test } from "../harness/test.ts";

const count = 30;
const titles = Array.from({ length: count }, (_, index) => `Write ${index + 1}`);

interface Part {
  name: string;
  kill: (parts: { app: App; stack: Stack }) => Promise<void>;
  startAgain: (parts: { app: App; stack: Stack }) => Promise<void>;
}

const parts: Part[] = [
  {
    name: "the app's server",
    kill: ({ app }) => app.kill(),
    startAgain: ({ app }) => app.restart(),
  },
  {
    name: "the sync service",
    kill: ({ stack }) => stack.killSyncService(),
    startAgain: ({ stack }) => stack.restart(),
  },
  {
    name: "Postgres",
    kill: ({ stack }) => stack.killPostgres(),
    startAgain: ({ stack }) => stack.restart(),
  },
];

for (const { name, kill, startAgain } of parts) {
  test(`killing ${name} during writes and starting it again loses nothing`, async ({
    device,
    anotherDeviceOf,
    app,
    stack,
  }) => {
    const one = await device.open();
    await addList(one, "Burst");
    await openList(one, "Burst");
    const other = await (await anotherDeviceOf(device)).open();
    await openList(other, "Burst");
    await synced(one);

    const writing = write(one, titles.slice(0, count / 2));
    await expect.poll(() => todos(one).count(), { intervals: [10] }).toBeGreaterThan(count / 4);
    await kill({ app, stack });
    await writing;
    await write(one, titles.slice(count / 2));
    await expect(todos(one)).toHaveCount(count);
    await startAgain({ app, stack });

    await expect(todos(other)).toHaveCount(count, { timeout: 30_000 });
    await synced(one);
    for (const page of [one, other]) {
      await expect(page.getByRole("list", { name: "Todos" }).getByRole("listitem")).toContainText(titles);
    }
    const rows = await stack.sql<{ title: string }[]>`
      SELECT title FROM todos JOIN lists ON lists.id = list_id WHERE owner_id = ${await userId(one)} ORDER BY todos.created_at`;
    expect(rows.map(({ title }) => title)).toEqual(titles);
  });
}

/** Adds todos one after the other, as fast as the page takes them. */
async function write(page: Page, titles: string[]) {
  for (const title of titles) await addTodo(page, title);
}
