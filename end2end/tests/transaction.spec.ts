import type { Page } from "@playwright/test";
import { addList, addTodo, list, openList, remove, synced, todos } from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

const count = 20;

test("deleting a list with its todos is one step for every watcher", async ({ device, anotherDeviceOf }) => {
  const one = await device.open();
  await addList(one, "Move house");
  await openList(one, "Move house");
  for (let number = 1; number <= count; number++) await addTodo(one, `Box ${number}`);
  await expect(todos(one)).toHaveCount(count);
  await one.getByRole("link", { name: "All lists" }).click();
  const other = await anotherDeviceOf(device);
  const [otherLists, otherTodos] = [await other.open(), await other.open()];
  await openList(otherTodos, "Move house");
  for (const page of [one, otherLists]) await expect(list(page, "Move house")).toContainText(`0 of ${count} done`);
  await expect(todos(otherTodos)).toHaveCount(count);
  await synced(one);

  const seen = [await progressSeen(one), await progressSeen(otherLists), await todosSeen(otherTodos)];
  await remove(one, "Move house");
  for (const page of [one, otherLists]) await expect(list(page, "Move house")).toHaveCount(0);
  await expect(otherTodos.getByRole("heading", { name: "No such list" })).toBeVisible();
  expect(await seen[0]?.()).toEqual([`0 of ${count} done`, "none"]);
  expect(await seen[1]?.()).toEqual([`0 of ${count} done`, "none"]);
  expect(await seen[2]?.()).toEqual([String(count), "0"]);
});

/** Every different progress that the first page shows from now on. */
function progressSeen(page: Page) {
  return watch(page, () => document.querySelector("ul[aria-label=Lists] .progress")?.textContent ?? "none");
}

/** Every different number of todos that a list's page shows from now on. */
function todosSeen(page: Page) {
  return watch(page, () => String(document.querySelectorAll("ul[aria-label=Todos] input[type=checkbox]").length));
}

/** Notes what `read` gives, now and after every change of the page; the result asks for what was noted. */
async function watch(page: Page, read: () => string): Promise<() => Promise<string[]>> {
  const seen = await page.evaluateHandle((read) => {
    const now = eval(`(${read})`) as () => string;
    const seen = [now()];
    const note = () => {
      if (now() !== seen.at(-1)) seen.push(now());
    };
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
    return seen;
  }, read.toString());
  return () => seen.jsonValue();
}
