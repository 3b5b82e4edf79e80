import { userId } from "../harness/device.ts";
import {
  addList,
  addTodo,
  changeRole,
  editTodo,
  join,
  list,
  lists,
  notices,
  openList,
  renameList,
  sharing,
  synced,
  syncStatus,
  todo,
} from "../harness/pages.ts";
import { isValid, link, ownersPage, roleOf } from "../harness/sharing.ts";
import { expect, test } from "../harness/test.ts";

const tooLong = "x".repeat(201);
const reason = "A list's name must have 1 to 200 characters.";

test("a rejected change disappears with its reason, on all devices, and does not block the changes behind it", async ({
  device,
  anotherDeviceOf,
}) => {
  const one = await device.open();
  await addList(one, "Before");
  await synced(one);
  const other = await (await anotherDeviceOf(device)).open();
  await expect(list(other, "Before")).toBeVisible();

  // Without a network the verdict cannot come before we have looked.
  device.network.cut();
  await expect(syncStatus(one)).toHaveText("Offline");
  await addList(one, tooLong);
  await addList(one, "Behind");
  await expect(list(one, tooLong)).toBeVisible();
  await expect(lists(one)).toHaveCount(3);

  device.network.restore();
  for (const page of [one, other]) {
    await expect(notices(page)).toHaveCount(1);
    await expect(notices(page)).toContainText(reason);
    await expect(list(page, "Behind")).toBeVisible();
    await expect(lists(page)).toHaveCount(2);
  }
  await synced(one);

  await notices(other).getByRole("button", { name: "Dismiss" }).click();
  await expect(notices(other)).toHaveCount(0);
  await expect(notices(one)).toHaveCount(0);
  await synced(other);
});

test("a rejected change of a list gives the list its old name back", async ({ device }) => {
  const page = await device.open();
  await addList(page, "Short");
  await synced(page);

  device.network.cut();
  await expect(syncStatus(page)).toHaveText("Offline");
  await renameList(page, "Short", tooLong);
  await expect(list(page, tooLong)).toBeVisible();

  device.network.restore();
  await expect(notices(page)).toContainText(reason);
  await expect(list(page, "Short")).toBeVisible();
  await expect(lists(page)).toHaveCount(1);
});

test("what was rejected is on all of the user's devices, outlives a reload, and can be tried again", async ({
  device,
  newDevice,
  anotherDeviceOf,
  stack,
}) => {
  const owner = await ownersPage(device);
  const path = await link(owner, stack, "editors");
  const member = await newDevice();
  const one = await member.open(path);
  await join(one, "Groceries");
  await expect(todo(one, "Milk")).toBeEnabled();
  await synced(one);

  member.network.cut();
  await expect(syncStatus(one)).toHaveText("Offline");
  await addTodo(one, "Bread");
  await expect(todo(one, "Bread")).toBeVisible();
  await changeRole(owner, "reader");
  const user = await userId(one);
  await expect.poll(() => roleOf(stack, user)).toBe("reader");
  member.network.restore();
  await expect(notices(one)).toContainText("you are not one of its editors");
  await expect(todo(one, "Bread")).toHaveCount(0);

  // Again it is rejected, and the new notice takes the place of the old one.
  const rejections = () => stack.sql<{ id: string }[]>`SELECT id FROM rejections WHERE user_id = ${user}`;
  const [first] = await rejections();
  await notices(one).getByRole("button", { name: "Try again" }).click();
  await expect.poll(rejections).not.toContainEqual(first);
  await synced(one);
  expect(await rejections()).toHaveLength(1);
  await expect(notices(one)).toHaveCount(1);
  await expect(todo(one, "Bread")).toHaveCount(0);

  await one.reload();
  await expect(notices(one)).toHaveCount(1);
  const other = await (await anotherDeviceOf(member)).open();
  await expect(notices(other)).toHaveCount(1);
  await changeRole(owner, "editor");
  await openList(other, "Groceries");
  await expect(todo(other, "Milk")).toBeEnabled();
  await notices(other).getByRole("button", { name: "Try again" }).click();
  for (const page of [other, one, owner]) {
    await expect(todo(page, "Bread")).toBeVisible();
    await expect(notices(page)).toHaveCount(0);
  }
  await synced(other);
});

test("an edit cannot be tried again while its row is away, and is not lost", async ({ device, newDevice, stack }) => {
  const owner = await ownersPage(device);
  const path = await link(owner, stack, "editors");
  const member = await newDevice();
  const other = await member.open(path);
  await join(other, "Groceries");
  await expect(todo(other, "Milk")).toBeEnabled();
  await synced(other);

  member.network.cut();
  await expect(syncStatus(other)).toHaveText("Offline");
  await editTodo(other, "Milk", "Oat milk");
  await expect(todo(other, "Oat milk")).toBeVisible();
  await sharing(owner).getByRole("button", { name: "Remove Guest" }).click();
  const user = await userId(other);
  await expect.poll(() => roleOf(stack, user)).toBeUndefined();
  member.network.restore();
  await expect(other.getByRole("heading", { name: "No such list" })).toBeVisible();
  await notices(other).getByRole("button", { name: "Try again" }).click();
  await expect(notices(other)).toContainText("It cannot be made again now");
  await synced(other);

  // What the owner has taken away does not come back by the old link.
  expect(await isValid(stack, path)).toBe(false);
  await other.goto(await link(owner, stack, "editors"));
  await join(other, "Groceries");
  await expect(todo(other, "Milk")).toBeEnabled();
  await notices(other).getByRole("button", { name: "Try again" }).click();
  await expect(todo(owner, "Oat milk")).toBeVisible();
  await expect(notices(other)).toHaveCount(0);
});

test("what is too large ever to be sent is not taken, and blocks nothing", async ({ device }) => {
  const page = await device.open();
  await page.getByRole("textbox", { name: "New list" }).evaluate((field, length) => {
    (field as HTMLInputElement).value = "x".repeat(length);
  }, 8 * 1024 * 1024);
  await page.getByRole("button", { name: "Add list" }).click();
  await expect(notices(page)).toContainText("That could not be saved on this device: this is too much at once.");
  await notices(page).getByRole("button", { name: "Dismiss" }).click();
  await addList(page, "Small");
  await synced(page);
  await expect(lists(page)).toHaveCount(1);
});
