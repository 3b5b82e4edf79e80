import type { Page } from "@playwright/test";
import { complaints } from "../harness/console.ts";
import { type Device, userId } from "../harness/device.ts";
import {
  addList,
  addTodo,
  list,
  lists,
  makeLink,
  openList,
  openLists,
  openSharing,
  synced,
  todo,
  todos,
} from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

test("the first visit works at once: a guest writes, and it is synced", async ({ device, stack }) => {
  const page = await device.open();
  await addList(page, "Mine");
  await expect(list(page, "Mine")).toBeVisible();
  await synced(page);
  const rows = await stack.sql<{ name: string }[]>`SELECT name FROM lists WHERE owner_id = ${await userId(page)}`;
  expect(rows.map(({ name }) => name)).toEqual(["Mine"]);
});

test("a guest sees nothing of another guest's", async ({ device, newDevice }) => {
  const mine = await device.open();
  await addList(mine, "Secret");
  await openList(mine, "Secret");
  await synced(mine);
  const stranger = await newDevice();
  const theirs = await stranger.open();
  await synced(theirs);
  await expect(theirs.getByText("No lists yet.")).toBeVisible();
  await expect(lists(theirs)).toHaveCount(0);
  const sameAddress = await stranger.open(new URL(mine.url()).pathname);
  await expect(sameAddress.getByRole("heading", { name: "No such list" })).toBeVisible();
});

test("no page complains in the console: not while hydrating, not afterwards", async ({ device }) => {
  const page = await device.context.newPage();
  const complained = complaints(page);
  await page.goto("/");
  await synced(page);
  await addList(page, "Quiet");
  await openList(page, "Quiet");
  await addTodo(page, "Listen");
  await expect(todo(page, "Listen")).toBeVisible();
  await openSharing(page);
  const link = await makeLink(page, "readers");
  await page.reload();
  await expect(todo(page, "Listen")).toBeVisible();
  await synced(page);
  await page.goto(new URL(link).pathname);
  await expect(page.getByText("You are on this list already")).toBeVisible();
  expect(complained).toEqual([]);
});

test("a script that somebody has slipped into a page does not run", async ({ device }) => {
  const page = await device.open();
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'taken over'";
    document.body.append(script);
  });
  await expect(page).not.toHaveTitle("taken over");
  await expect.poll(() => device.violations).toHaveLength(1);
  device.violations.pop();
});

test("an address without a page says so", async ({ device }) => {
  const page = await device.open();
  const response = await page.goto("/no/such/page");
  expect(response?.status()).toBe(404);
  await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
  await page.getByRole("main").getByRole("link", { name: "All lists" }).click();
  await expect(page.getByRole("heading", { name: "Lists" })).toBeVisible();
});

test("a list that does not exist says so, in a browser that has never been here, too", async ({ device }) => {
  const page = await device.open("/lists/nothing");
  await expect(page.getByRole("heading", { name: "No such list" })).toBeVisible();
  await expect(page.getByRole("textbox", { name: "New todo" })).toHaveCount(0);
});

test("a list's page never shows todos of the list whose page somebody has left for it", async ({ device }) => {
  const page = await device.open();
  for (const name of ["Apples", "Bricks"]) {
    await addList(page, name);
    await openList(page, name);
    await addTodo(page, `Count ${name}`);
    await expect(todo(page, `Count ${name}`)).toBeVisible();
    await openLists(page);
  }
  await page.goBack();
  await expect(todo(page, "Count Bricks")).toBeVisible();
  await page.evaluate(notePages);
  for (let times = 5; times > 0; times--) {
    // Over the page of all lists that lies between the two.
    await page.evaluate(() => history.go(-2));
    await expect(todo(page, "Count Apples")).toBeEnabled();
    await expect(todos(page)).toHaveCount(1);
    await page.evaluate(() => history.go(2));
    await expect(todo(page, "Count Bricks")).toBeEnabled();
    await expect(todos(page)).toHaveCount(1);
  }
  expect(await page.evaluate(() => [...window.pages].sort())).toEqual(["Apples: Count Apples", "Bricks: Count Bricks"]);
});

test("everything can be reached and done with the keyboard", async ({ device }) => {
  const page = await device.open();
  await page.getByRole("textbox", { name: "New list" }).focus();
  await page.keyboard.type("Keys");
  await page.keyboard.press("Enter");
  await expect(list(page, "Keys")).toBeVisible();
  await page.keyboard.type("Second");
  await page.keyboard.press("Enter");
  await expect(list(page, "Second")).toBeVisible();
  expect(await reachedByTab(page)).toEqual(
    expect.arrayContaining(["New list", "Add list", "Keys", "Rename Keys", "Delete Keys", "Second", "Delete Second"]),
  );

  await page.getByRole("button", { name: "Rename Keys" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("textbox", { name: "List name" })).toBeFocused();
  await page.keyboard.type("Not these");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("textbox", { name: "List name" })).toHaveCount(0);
  await page.getByRole("link", { name: "Keys", exact: true }).focus();
  await page.keyboard.press("Enter");

  await page.getByRole("textbox", { name: "New todo" }).focus();
  await page.keyboard.type("Press");
  await page.keyboard.press("Enter");
  await todo(page, "Press").focus();
  await page.keyboard.press("Space");
  await expect(todo(page, "Press")).toBeChecked();
  await page.getByRole("button", { name: "Edit Press" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("Pressed");
  await page.keyboard.press("Enter");
  await expect(todo(page, "Pressed")).toBeChecked();
  expect(await reachedByTab(page)).toEqual(
    expect.arrayContaining(["All lists", "New todo", "Add todo", "Pressed", "Edit Pressed", "Delete Pressed"]),
  );
});

test("a narrow screen shows everything without scrolling sideways", async ({ newDevice }) => {
  const device = await newDevice({ viewport: { width: 320, height: 640 } });
  const page = await device.open();
  const long = `Long${"nnnnnnnnnn".repeat(15)}`;
  await addList(page, long);
  await expect(list(page, long)).toBeVisible();
  await expectNoSidewaysScrolling(page);
  await openList(page, long);
  await addTodo(page, long);
  await expect(todo(page, long)).toBeVisible();
  await expectNoSidewaysScrolling(page);
});

test("the page is dark where the system is", async ({ newDevice }) => {
  const [light, dark] = [await newDevice({ colorScheme: "light" }), await newDevice({ colorScheme: "dark" })];
  expect(await brightness(light)).toBeGreaterThan(200);
  expect(await brightness(dark)).toBeLessThan(60);
});

declare global {
  interface Window {
    /** The pages that had a heading and todos at any moment, as `heading: todos`. */
    pages: Set<string>;
  }
}

/** Notes the pages that are shown from now on. */
function notePages() {
  window.pages = new Set();
  const look = () => {
    const heading = document.querySelector("main h1")?.textContent;
    const todos = [...document.querySelectorAll("main ul[aria-label=Todos] label")].map(({ textContent }) => textContent);
    if (heading && todos.length > 0) window.pages.add(`${heading}: ${todos.join(", ")}`);
  };
  new MutationObserver(look).observe(document.body, { childList: true, characterData: true, subtree: true });
}

/** The names of what the Tab key reaches, from the top of the page to its end. */
async function reachedByTab(page: Page): Promise<string[]> {
  await page.getByRole("banner").getByRole("link").first().focus();
  const names: string[] = [];
  for (let name = await nameOfFocus(page); name !== null; name = await nameOfFocus(page)) {
    names.push(name);
    await page.keyboard.press("Tab");
  }
  return names;
}

/** The name of what has the focus; `null` where that is nothing on the page. */
async function nameOfFocus(page: Page): Promise<string | null> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const name = element.getAttribute("aria-label") ?? (element.closest("label") ?? element).textContent;
    return name?.trim() ?? "";
  });
}

async function expectNoSidewaysScrolling(page: Page) {
  const [scrollWidth, clientWidth] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return [scrollWidth, clientWidth] as const;
  });
  expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
}

/** The page's background, from 0, black, to 255, white. */
async function brightness(device: Device): Promise<number> {
  const page = await device.open();
  const colour = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  return Math.max(...(colour.match(/\d+/g) ?? []).map(Number));
}
