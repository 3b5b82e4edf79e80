import type { Page } from "@playwright/test";
import type { Device } from "../harness/device.ts";
import { addList, addTodo, editTodo, list, lists, notices, openList, remove, synced, syncStatus, todo, todos } from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

// What `LastWriteWins` in `server/src/upload/conflict.rs` comes to: two browsers of one user change the same rows while
// neither has a network, and come back one after the other.

test("column by column the last upload wins, and a deleted todo stays deleted", async ({ device, anotherDeviceOf }) => {
  const one = await device.open();
  await addList(one, "Groceries");
  await openList(one, "Groceries");
  for (const title of ["Milk", "Bread", "Eggs", "Salt"]) await addTodo(one, title);
  const otherDevice = await anotherDeviceOf(device);
  const other = await otherDevice.open();
  await openList(other, "Groceries");
  await expect(todos(other)).toHaveCount(4);
  await goOffline(device, one);
  await goOffline(otherDevice, other);

  await editTodo(other, "Bread", "White bread");
  await editTodo(one, "Bread", "Rye bread");
  await editTodo(one, "Milk", "Oat milk");
  await todo(other, "Milk").check();
  // Each deletes what the other edits, so one deletion is uploaded before the edit and one after it.
  await remove(one, "Eggs");
  await editTodo(other, "Eggs", "Six eggs");
  await remove(other, "Salt");
  await editTodo(one, "Salt", "Sea salt");
  await expectTodos(one, ["Oat milk", "Rye bread", "Sea salt"]);
  await expectTodos(other, ["Milk", "White bread", "Six eggs"]);

  await comeBack(device, one);
  await comeBack(otherDevice, other);
  for (const page of [one, other]) {
    await expectTodos(page, ["Oat milk", "White bread"]);
    await expect(todo(page, "Oat milk")).toBeChecked();
  }
  // Nothing is stuck; and nobody was told anything, because nobody's change was rejected.
  await addTodo(one, "Tea");
  await expect(todo(other, "Tea")).toBeVisible();
  await addTodo(other, "Jam");
  await expect(todo(one, "Jam")).toBeVisible();
  for (const page of [one, other]) await expect(notices(page)).toHaveCount(0);
});

test("a todo added to a list that is deleted goes with it, and its user learns why if the deletion came first", async ({
  device,
  anotherDeviceOf,
  stack,
}) => {
  const one = await device.open();
  await addList(one, "Trip");
  await addList(one, "Party");
  await addList(one, "Stays");
  const otherDevice = await anotherDeviceOf(device);
  const other = await otherDevice.open();
  await expect(lists(other)).toHaveCount(3);
  await goOffline(device, one);
  await goOffline(otherDevice, other);

  // Each deletes the list to which the other adds, so one deletion is uploaded before the new todo and one after it.
  await remove(one, "Trip");
  await addTodoTo(other, "Trip", "Tent");
  await remove(other, "Party");
  await addTodoTo(one, "Party", "Cake");
  await expect(list(one, "Party")).toContainText("0 of 1 done");
  await expect(list(other, "Trip")).toContainText("0 of 1 done");

  await comeBack(device, one);
  await comeBack(otherDevice, other);
  for (const page of [one, other]) {
    await expect(notices(page)).toHaveCount(1);
    await expect(notices(page)).toContainText("You may not change todos of this list: it has been deleted");
    await expect(list(page, "Stays")).toBeVisible();
    await expect(lists(page)).toHaveCount(1);
  }
  const left = await stack.sql`SELECT title FROM todos WHERE title IN ('Tent', 'Cake')`;
  expect(left.count).toBe(0);
  await notices(other).getByRole("button", { name: "Dismiss" }).click();
  await expect(notices(one)).toHaveCount(0);
});

async function goOffline(device: Device, page: Page) {
  await synced(page);
  device.network.cut();
  await expect(syncStatus(page)).toHaveText("Offline");
}

/** Returns when what was written without a network has been uploaded. */
async function comeBack(device: Device, page: Page) {
  await expect(syncStatus(page)).toHaveText(/^Offline, \d changes? to send$/);
  device.network.restore();
  await synced(page);
}

async function expectTodos(page: Page, titles: string[]) {
  await expect(page.getByRole("list", { name: "Todos" }).locator("label")).toHaveText(titles);
}

async function addTodoTo(page: Page, name: string, title: string) {
  await openList(page, name);
  await addTodo(page, title);
  await expect(todo(page, title)).toBeVisible();
  await page.getByRole("link", { name: "All lists" }).click();
}
