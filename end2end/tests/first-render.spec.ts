import type { Page } from "@playwright/test";
import { complaints } from "../harness/console.ts";
import { type Device, live, userId } from "../harness/device.ts";
import { localResults, type Statement } from "../harness/local-database.ts";
import { addList, addTodo, editTodo, list, lists, openList, openLists, remove, synced, todo, todos } from "../harness/pages.ts";
import { link, ownersPage } from "../harness/sharing.ts";
import type { Stack } from "../harness/stack.ts";
import { expect, test } from "../harness/test.ts";

test("a page shows its rows before any script has run", async ({ device, newDevice, stack }) => {
  const page = await listOfTwo(device, stack);
  const address = new URL(page.url()).pathname;
  const withoutScripts = await newDevice({
    storageState: await device.context.storageState(),
    javaScriptEnabled: false,
  });
  const plain = await withoutScripts.context.newPage();
  await plain.goto("/");
  await expect(list(plain, "Groceries")).toContainText("1 of 2 done");
  await expect(plain.getByRole("button", { name: "Rename Groceries" })).toBeDisabled();
  await list(plain, "Groceries").getByRole("link").click();

  await expect(plain).toHaveURL(address);
  await expect(plain).toHaveTitle(/^Groceries · /);
  await expect(plain.getByRole("heading", { name: "Groceries" })).toBeVisible();
  await expect(todo(plain, "Milk")).not.toBeChecked();
  await expect(todo(plain, "Bread")).toBeChecked();
  await expect(todo(plain, "Bread")).toBeDisabled();
});

test("hydration takes the rows over as they are, and then they can be changed", async ({ device, stack }) => {
  const page = await listOfTwo(device, stack);
  const complained = complaints(page);
  await link(page, stack, "readers");
  await page.addInitScript(noteWhatIsShown);
  for (const address of [page.url(), "/"]) {
    await page.goto(address);
    await live(page);
    await synced(page);
    const [first, ...later] = await page.evaluate(() => window.shown);
    expect(first).toContain("Groceries");
    expect(later).toEqual([]);
  }
  expect(complained).toEqual([]);
  await openList(page, "Groceries");
  await todo(page, "Milk").check();
  await remove(page, "Bread");
  await expect(todos(page)).toHaveCount(1);
});

test("what the server renders is what the local database has", async ({ device, stack }) => {
  const page = await listOfTwo(device, stack);
  await link(page, stack, "editors");
  await stack.sql`
    INSERT INTO rejections (user_id, table_name, row_id, operation, code, reason)
    SELECT user_id, 'todos', 't', 'PATCH', 'stale', 'Too late.' FROM members WHERE role = 'owner'`;
  await expect(page.getByText("Too late.")).toBeVisible();
  const statements = new Map<string, Statement>();
  for (const address of ["/", page.url()]) {
    await page.goto(address);
    await live(page);
    await synced(page);
    const rendered = await snapshot(page);
    expect(rendered.length).toBeGreaterThan(1);
    expect(await localResults(page, stack, rendered)).toEqual(rendered.map(({ rows }) => rows));
    for (const result of rendered) if (result.rows.length > 0) statements.set(result.sql, result);
  }
  // Lists, and of the list itself, its todos, members and links; and the notices.
  expect(statements.size).toBe(6);
});

test("a browser that has never synced keeps what was rendered until it has, and shows what is added at once", async ({
  device,
  anotherDeviceOf,
  stack,
}) => {
  await listOfTwo(device, stack);
  await stack.killSyncService();
  const page = await (await anotherDeviceOf(device)).open();
  await expect(list(page, "Groceries")).toBeVisible();
  await addList(page, "Second");
  await expect(list(page, "Second")).toBeVisible();
  await expect(lists(page)).toHaveCount(2);
  await expect(page.getByRole("button", { name: "Delete Groceries" })).toBeDisabled();
  await openList(page, "Second");
  await addTodo(page, "Now");
  await expect(todo(page, "Now")).toBeVisible();

  await stack.restart();
  await synced(page);
  await openLists(page);
  await expect(lists(page)).toHaveCount(2);
  await remove(page, "Groceries");
  await expect(list(page, "Groceries")).toHaveCount(0);
  await expect(list(page, "Second")).toContainText("0 of 1 done");
});

test("who comes back sees what others have changed meanwhile, and nothing of before", async ({
  device,
  anotherDeviceOf,
  stack,
}) => {
  const one = await listOfTwo(device, stack);
  const other = await anotherDeviceOf(device);
  const before = await other.open(new URL(one.url()).pathname);
  await expect(todo(before, "Milk")).toBeEnabled();
  await synced(before);
  await before.close();
  await editTodo(one, "Milk", "Oat milk");
  await remove(one, "Bread");
  await addTodo(one, "Eggs");
  await arrived(stack, one, "Eggs");

  const back = await other.context.newPage();
  await back.addInitScript(noteWhatIsShown);
  await back.goto(one.url());
  await expect(todo(back, "Oat milk")).toBeEnabled();
  await synced(back);
  const shown = await back.evaluate(() => window.shown);
  expect(shown.filter((text) => !text.includes("Eggs") || text.includes("Bread"))).toEqual([]);
  await todo(back, "Eggs").check();
  await expect(todo(one, "Eggs")).toBeChecked();
});

test("what others have deleted meanwhile does not flash back, also where nothing else has changed", async ({
  device,
  anotherDeviceOf,
  stack,
}) => {
  const one = await listOfTwo(device, stack);
  const other = await anotherDeviceOf(device);
  const before = await other.open(new URL(one.url()).pathname);
  await expect(todo(before, "Bread")).toBeEnabled();
  await synced(before);
  await before.close();
  await remove(one, "Bread");
  await expect.poll(async () => (await stack.sql`SELECT FROM todos WHERE title = 'Bread' AND list_id = ${listId(one)}`).length).toBe(0);

  const back = await other.context.newPage();
  await back.addInitScript(noteWhatIsShown);
  await back.goto(one.url());
  await expect(todo(back, "Milk")).toBeEnabled();
  await synced(back);
  const shown = await back.evaluate(() => window.shown);
  expect(shown.filter((text) => text.includes("Bread"))).toEqual([]);
});

test("what has not been sent yet is there after a reload, whatever the server has rendered", async ({
  device,
  stack,
}) => {
  const page = await listOfTwo(device, stack);
  await page.route("**/api/sync", (route) => route.abort());
  await todo(page, "Milk").check();
  await addTodo(page, "Eggs");
  await expect(todo(page, "Eggs")).toBeVisible();
  await page.reload();
  await expect(todo(page, "Eggs")).toBeEnabled();
  await expect(todo(page, "Milk")).toBeChecked();
  await page.unroute("**/api/sync");
  await synced(page);
  await expect(todo(page, "Milk")).toBeChecked();
  await expect(todos(page)).toHaveCount(3);
});

test("a name that is HTML stays a name", async ({ device, newDevice, stack }) => {
  const name = "</title><h1>Taken over</h1>\"'><script>document.title='Taken over'</script>";
  const page = await device.open();
  await addList(page, name);
  await openList(page, name);
  await addTodo(page, name);
  await arrived(stack, page, name);
  const brand = await page.getByRole("banner").getByRole("link").first().innerText();
  const withoutScripts = await newDevice({
    storageState: await device.context.storageState(),
    javaScriptEnabled: false,
  });
  const plain = await withoutScripts.context.newPage();
  for (const here of [page, plain]) {
    await here.goto(page.url());
    await expect(todo(here, name)).toBeVisible();
    await expect(here).toHaveTitle(`${name} · ${brand}`);
    await expect(here.getByRole("heading", { name: "Taken over", exact: true })).toHaveCount(0);
  }
});

/** The page of the list "Groceries" with Milk, and with Bread that is done, all of it on the server. */
async function listOfTwo(device: Device, stack: Stack): Promise<Page> {
  const page = await ownersPage(device);
  await addTodo(page, "Bread");
  await todo(page, "Bread").check();
  await arrived(stack, page, "Bread", true);
  return page;
}

/** Returns when the server has this todo of the page's user, and so all that was written before. */
async function arrived({ sql }: Stack, page: Page, title: string, done = false) {
  const user = await userId(page);
  const todos = () => sql`
    SELECT FROM todos JOIN lists ON lists.id = list_id
    WHERE title = ${title} AND done = ${done} AND owner_id = ${user}`;
  await expect.poll(async () => (await todos()).length).toBe(1);
}

/** The id of the list whose page this is. */
function listId(page: Page): string {
  return new URL(page.url()).pathname.replace("/lists/", "");
}

declare global {
  interface Window {
    /** The texts that the page's main part has shown, one after the other. */
    shown: string[];
  }
}

/** To be run before a page's own scripts. */
function noteWhatIsShown() {
  window.shown = [];
  const look = () => {
    const text = document.querySelector("main")?.innerText ?? "";
    if (text !== "" && text !== window.shown.at(-1)) window.shown.push(text);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** The rows that the page was rendered with. */
async function snapshot(page: Page): Promise<(Statement & { rows: unknown[][] })[]> {
  return JSON.parse((await page.locator("meta[name=snapshot]").getAttribute("content")) ?? "[]");
}
