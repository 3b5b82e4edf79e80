import { addList, addTodo, editTodo, list, openList, remove, renameList, synced, todo } from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

test("a todo made in one browser appears in another; check, edit and delete travel both ways", async ({
  device,
  anotherDeviceOf,
}) => {
  const one = await device.open();
  await addList(one, "Groceries");
  await openList(one, "Groceries");
  const other = await (await anotherDeviceOf(device)).open();
  await openList(other, "Groceries");

  await addTodo(one, "Milk");
  await expect(todo(other, "Milk")).toBeVisible();
  await addTodo(other, "Bread");
  await expect(todo(one, "Bread")).toBeVisible();

  await todo(one, "Bread").check();
  await expect(todo(other, "Bread")).toBeChecked();
  await todo(other, "Milk").check();
  await expect(todo(one, "Milk")).toBeChecked();
  await todo(one, "Milk").uncheck();
  await expect(todo(other, "Milk")).not.toBeChecked();

  await editTodo(one, "Milk", "Oat milk");
  await expect(todo(other, "Oat milk")).toBeVisible();
  await expect(todo(other, "Milk")).toHaveCount(0);
  await editTodo(other, "Bread", "Rye bread");
  await expect(todo(one, "Rye bread")).toBeChecked();

  await remove(one, "Oat milk");
  await expect(todo(other, "Oat milk")).toHaveCount(0);
  await remove(other, "Rye bread");
  await expect(todo(one, "Rye bread")).toHaveCount(0);
  await expect(one.getByText("Nothing to do yet.")).toBeVisible();
});

test("making, renaming and deleting a list travels both ways, and so does its progress", async ({
  device,
  anotherDeviceOf,
}) => {
  const one = await device.open();
  const other = await (await anotherDeviceOf(device)).open();

  await addList(one, "Work");
  await addList(other, "Home");
  await renameList(other, "Work", "Office");
  await expect(list(one, "Office")).toContainText("empty");
  await expect(list(one, "Work")).toHaveCount(0);
  await renameList(one, "Home", "House");
  await expect(list(other, "House")).toBeVisible();

  await openList(one, "House");
  await addTodo(one, "Sweep");
  await addTodo(one, "Dust");
  await todo(one, "Dust").check();
  await expect(list(other, "House")).toContainText("1 of 2 done");

  await remove(other, "House");
  await expect(one.getByRole("heading", { name: "No such list" })).toBeVisible();
  await one.getByRole("link", { name: "All lists" }).click();
  await expect(list(one, "Office")).toBeVisible();
  await expect(list(one, "House")).toHaveCount(0);
  await synced(one);
  await synced(other);
});
