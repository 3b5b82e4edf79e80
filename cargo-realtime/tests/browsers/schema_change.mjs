// An app is upgraded while browsers that have it open are offline: `todos` gets a column `priority` that is 1 for the rows
// there are and 2 for those that the new page makes, and there is a new page at /documents.
//
// usage: node schema_change.mjs URL, with the browser's program in CHROMIUM_PATH unless Playwright has its own. It says
// "Offline." to stderr when the browsers are, and goes on when it reads a line from stdin: that is when the app's files
// have changed. It waits until the running app is the new one.
import { once } from "node:events";
import { expect, step, withDevices } from "./browsers.mjs";

const [url] = process.argv.slice(2);
/** What each browser's list holds before it goes offline, and what is left of it afterwards, with what was added. */
const before = ["Book", "Pack", "Call"];
const after = ["Book a train", "Pack", "Swim"];

await withDevices(url, async (device) => {
  // One goes on with the old page, the other is away until it loads the new one.
  const old = await device();
  await old.open("/");
  const away = await device(old);
  await away.open("/");

  await step("both write without a network", async () => {
    for (const [device, list] of [[old, "Old page"], [away, "New page"]]) {
      await addList(device, list);
      await openList(device, list);
      for (const title of before) await addTodo(device, title);
      await device.goOffline();
      await editTodo(device, "Book", "Book a train");
      await checkbox(device, "Pack").check();
      await device.page.getByRole("button", { name: "Delete Call" }).click();
      await addTodo(device, "Swim");
      await expectTodos(device, after);
      await device.hasQueued(4);
    }
  });
  const newPage = away.page.url();
  await away.page.goto("about:blank");

  console.error("Offline.");
  await once(process.stdin, "data");
  process.stdin.destroy();

  await step("the app is upgraded", async () => {
    const status = async () => (await fetch(`${url}/documents`).catch(() => undefined))?.status;
    await expect.poll(status, { timeout: 300_000 }).toBe(200);
  });
  const witness = await device(old);
  await witness.open("/");

  await step("nothing has been sent yet", async () => {
    await openList(witness, "New page");
    await expectTodos(witness, before, 1);
    await openList(witness, "Old page");
    await expectTodos(witness, before, 1);
  });

  await step("the old page sends what waited, and goes on to work", async () => {
    old.network.restore();
    await old.synced();
    await expectTodos(witness, after, 1);
    await expect(checkbox(witness, "Pack")).toBeChecked();
    await addTodo(old, "Sleep");
    await expectTodos(witness, [...after, "Sleep"], 1);
    // It is really the old one.
    await expectTodos(old, [...after, "Sleep"]);
    await expect(priorities(old)).toHaveCount(0);
  });

  await step("it reads what the new page writes, and when it is loaded again has the new column too", async () => {
    await addTodo(witness, "Read");
    await expectTodos(old, [...after, "Sleep", "Read"]);
    await old.page.reload();
    await expectTodos(old, [...after, "Sleep", "Read"]);
    await expect(priorities(old)).toHaveText([1, 1, 1, 1, 2].map((priority) => `priority ${priority}`));
    await expect(checkbox(old, "Pack")).toBeChecked();
  });

  await step("what waited in the other browser is sent by the new page", async () => {
    await openList(witness, "New page");
    await expectTodos(witness, before, 1);
    // At first it has the new page only: its database is upgraded in place, and nothing is sent or received.
    const api = (route) => route.abort();
    await away.page.route("**/api/**", api);
    away.network.restore();
    await away.open(newPage);
    await expectTodos(away, after, 0);
    await away.hasQueued(4);
    await expectTodos(witness, before, 1);

    await away.page.unroute("**/api/**", api);
    for (const device of [away, witness]) {
      await expectTodos(device, after, 1);
      await expect(checkbox(device, "Pack")).toBeChecked();
    }
    await away.synced();
  });

  for (const device of [old, away, witness]) await expect(device.notices).toHaveCount(0);
});

async function addList({ page }, name) {
  await page.getByRole("textbox", { name: "New list" }).fill(name);
  await page.getByRole("button", { name: "Add list" }).click();
}

async function openList({ page }, name) {
  await page.getByRole("link", { name: "Lists", exact: true }).click();
  await page.getByRole("link", { name, exact: true }).click();
  await expect(page.getByRole("heading", { name, exact: true })).toBeVisible();
}

async function addTodo({ page }, title) {
  await page.getByRole("textbox", { name: "New todo" }).fill(title);
  await page.getByRole("button", { name: "Add todo" }).click();
  await expect(checkbox({ page }, title)).toBeVisible();
}

async function editTodo({ page }, title, newTitle) {
  await page.getByRole("button", { name: `Edit ${title}`, exact: true }).click();
  await page.getByRole("textbox", { name: "Todo", exact: true }).fill(newTitle);
  await page.getByRole("button", { name: "Save" }).click();
}

/** The list's todos have these titles and, where the page shows it, all of them this priority. */
async function expectTodos(device, titles, priority) {
  await expect(todos(device).locator("label")).toHaveText(titles);
  if (priority !== undefined) await expect(priorities(device)).toHaveText(titles.map(() => `priority ${priority}`));
}

function checkbox(device, title) {
  return todos(device).getByRole("checkbox", { name: title, exact: true });
}

function priorities(device) {
  return todos(device).getByText(/^priority \d+$/);
}

function todos({ page }) {
  return page.getByRole("list", { name: "Todos" });
}
