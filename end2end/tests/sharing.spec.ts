import type { Page } from "@playwright/test";
import { storedForOffline, userId } from "../harness/device.ts";
import { localRows } from "../harness/local-database.ts";
import {
  addList,
  addTodo,
  changeRole,
  editTodo,
  join,
  links,
  list,
  lists,
  makeLink,
  members,
  notices,
  openList,
  openSharing,
  remove,
  sharing,
  synced,
  syncStatus,
  todo,
  todos,
} from "../harness/pages.ts";
import { isValid, link, ownersPage, roleOf } from "../harness/sharing.ts";
import { expect, test } from "../harness/test.ts";

test("who follows an editor's link sees the list, changes it, and is seen to be on it", async ({
  device,
  newDevice,
  stack,
}) => {
  const owner = await ownersPage(device);
  const path = await link(owner, stack, "editors");
  const other = await (await newDevice()).open(path);
  await expect(other.getByRole("heading", { name: "Join the list “Groceries” as an editor" })).toBeVisible();
  await join(other, "Groceries");

  await expect(todo(other, "Milk")).toBeVisible();
  await editTodo(other, "Milk", "Oat milk");
  await expect(todo(owner, "Oat milk")).toBeVisible();
  await addTodo(owner, "Bread");
  await todo(other, "Bread").check();
  await expect(todo(owner, "Bread")).toBeChecked();
  await remove(other, "Oat milk");
  await expect(todos(owner)).toHaveCount(1);

  await openSharing(other);
  await expect(members(owner)).toHaveText([/^You ?owner/, /^Guest/]);
  await expect(members(other)).toHaveText([/^Guest ?owner/, /^You ?editor/]);
  await expect(sharing(other).getByRole("button", { name: "Make a link" })).toHaveCount(0);

  for (const page of [owner, other]) {
    await page.getByRole("link", { name: "All lists" }).click();
    await expect(list(page, "Groceries")).toContainText("shared");
    await expect(page.getByRole("button", { name: "Rename Groceries" })).toBeVisible();
  }
  await expect(other.getByRole("button", { name: "Delete Groceries" })).toHaveCount(0);

  owner.once("dialog", (dialog) => void dialog.dismiss());
  await remove(owner, "Groceries");
  await expect(list(owner, "Groceries")).toBeVisible();
  owner.once("dialog", (dialog) => void dialog.accept());
  await remove(owner, "Groceries");
  await expect(other.getByText("No lists yet.")).toBeVisible();
});

test("a reader changes nothing, until the owner makes them an editor", async ({ device, newDevice, stack }) => {
  const owner = await ownersPage(device);
  const other = await (await newDevice()).open(await link(owner, stack, "readers"));
  await expect(other.getByRole("heading", { name: "Join the list “Groceries” as a reader" })).toBeVisible();
  await join(other, "Groceries");
  await expect(other.getByText("You can read this list.")).toBeVisible();
  await expect(todo(other, "Milk")).toBeDisabled();
  await expectNothingToChange(other);
  await other.getByRole("link", { name: "All lists" }).click();
  await expect(list(other, "Groceries")).toContainText("shared");
  await expect(other.getByRole("button", { name: "Groceries" })).toHaveCount(0);
  await openList(other, "Groceries");

  await changeRole(owner, "editor");
  await todo(other, "Milk").check();
  await expect(todo(owner, "Milk")).toBeChecked();
  await addTodo(other, "Bread");
  await expect(todo(owner, "Bread")).toBeVisible();

  await changeRole(owner, "reader");
  await expect(todo(other, "Milk")).toBeDisabled();
  await expectNothingToChange(other);
});

test("a change that a reader forges is undone", async ({ device, newDevice, stack }) => {
  const owner = await ownersPage(device);
  const other = await (await newDevice()).open(await link(owner, stack, "readers"));
  await join(other, "Groceries");
  await expect(todo(other, "Milk")).toBeDisabled();
  await todo(other, "Milk").evaluate((checkbox: HTMLInputElement) => {
    checkbox.disabled = false;
    checkbox.click();
  });
  await expect(notices(other)).toContainText("you are not one of its editors");
  await expect(notices(other)).toContainText("forbidden");
  await expect(todo(other, "Milk")).not.toBeChecked();
  await expect(todo(owner, "Milk")).not.toBeChecked();
});

test("a list leaves the device of who is removed from it", async ({ device, newDevice, stack }) => {
  const owner = await ownersPage(device);
  const other = await (await newDevice()).open(await link(owner, stack, "editors"));
  await join(other, "Groceries");
  const rows = () => Promise.all(["lists", "todos", "members"].map((table) => localRows(other, stack, table)));
  expect(await rows()).toEqual([1, 1, 2]);

  await sharing(owner).getByRole("button", { name: "Remove Guest" }).click();
  await expect(other.getByRole("heading", { name: "No such list" })).toBeVisible();
  await expect(other.getByText("Milk")).toHaveCount(0);
  await other.getByRole("link", { name: "All lists" }).click();
  await expect(other.getByText("No lists yet.")).toBeVisible();
  await expect(lists(other)).toHaveCount(0);
  expect(await rows()).toEqual([0, 0, 0]);
  await expect(members(owner)).toHaveCount(1);
});

test("who is removed while writing without a network loses the list, is told, and goes on", async ({
  device,
  newDevice,
  stack,
}) => {
  const owner = await ownersPage(device);
  const member = await newDevice();
  const other = await member.open(await link(owner, stack, "editors"));
  await join(other, "Groceries");
  await synced(other);

  member.network.cut();
  await expect(syncStatus(other)).toHaveText("Offline");
  await todo(other, "Milk").check();
  await addTodo(other, "Bread");
  await other.getByRole("link", { name: "All lists" }).click();
  await addList(other, "Mine");
  await expect(syncStatus(other)).toHaveText("Offline, 3 changes to send");
  await sharing(owner).getByRole("button", { name: "Remove Guest" }).click();
  const user = await userId(other);
  await expect.poll(() => roleOf(stack, user)).toBeUndefined();

  member.network.restore();
  await expect(notices(other)).toHaveCount(2);
  await expect(notices(other).first()).toContainText("you are not one of its editors");
  await expect(list(other, "Mine")).toBeVisible();
  await expect(lists(other)).toHaveCount(1);
  await synced(other);
  await expect(todo(owner, "Milk")).not.toBeChecked();
  await expect(todos(owner)).toHaveCount(1);
});

test("who leaves a list is rid of it at once, also without a network", async ({ device, newDevice, stack }) => {
  const owner = await ownersPage(device);
  const member = await newDevice();
  const other = await member.open(await link(owner, stack, "editors"));
  await join(other, "Groceries");
  await expect(members(owner)).toHaveCount(2);
  await openSharing(other);
  member.network.cut();
  await expect(syncStatus(other)).toHaveText("Offline");

  other.once("dialog", (dialog) => void dialog.dismiss());
  await sharing(other).getByRole("button", { name: "Leave list" }).click();
  await expect(todo(other, "Milk")).toBeVisible();
  other.once("dialog", (dialog) => void dialog.accept());
  await sharing(other).getByRole("button", { name: "Leave list" }).click();
  await expect(other.getByText("No lists yet.")).toBeVisible();
  await expect(members(owner)).toHaveCount(2);

  member.network.restore();
  await expect(members(owner)).toHaveCount(1);
  await synced(other);
  await expect(other.getByText("No lists yet.")).toBeVisible();
  await expect(notices(other)).toHaveCount(0);
});

test("a link that was revoked, or never was one, says so", async ({ device, newDevice, stack }) => {
  const owner = await ownersPage(device);
  const path = await link(owner, stack, "editors");
  await sharing(owner).getByRole("button", { name: "Revoke link for editors" }).click();
  await expect(sharing(owner).getByText("No links yet.")).toBeVisible();
  await expect.poll(() => isValid(stack, path)).toBe(false);
  const other = await newDevice();
  for (const invalid of [path, "/join/nothing"]) {
    const page = await other.open(invalid);
    await expect(page.getByRole("heading", { name: "This link is not valid any more" })).toBeVisible();
    await expect(page.getByRole("button", { name: "Join list" })).toHaveCount(0);
  }
});

test("a link says until when it is valid, and one for one person lets one person in", async ({
  device,
  newDevice,
  stack,
}) => {
  const owner = await ownersPage(device);
  await link(owner, stack, "editors");
  await expect(links(owner)).toHaveText([/any number of people, until .*\d/]);
  await sharing(owner).getByRole("combobox", { name: "Who can use the link" }).selectOption("One person");
  const path = await link(owner, stack, "readers");
  await expect(links(owner).nth(1)).toContainText(/one person, until .*\d/);

  const other = await (await newDevice()).open(path);
  await join(other, "Groceries");
  await expect(links(owner).nth(1)).toContainText("used up");
  await other.goto(path);
  await expect(other.getByText("You are on this list already")).toBeVisible();
  const late = await (await newDevice()).open(path);
  await expect(late.getByRole("heading", { name: "This link is not valid any more" })).toBeVisible();

  await stack.sql`UPDATE invitations SET expires_at = now() - interval '1 second' WHERE role = 'editor'`;
  await expect(links(owner).first()).toContainText("expired");
  for (const whom of ["readers", "editors"]) {
    await sharing(owner).getByRole("button", { name: `Revoke link for ${whom}` }).click();
  }
  await expect(sharing(owner).getByText("No links yet.")).toBeVisible();
});

test("a link leads who is on the list already to the list", async ({ device, stack }) => {
  const owner = await ownersPage(device);
  const page = await device.open(await link(owner, stack, "readers"));
  await expect(page.getByText("You are on this list already")).toBeVisible();
  await openList(page, "Groceries");
});

test("joining without a network says so, and works when there is one", async ({ device, newDevice, stack }) => {
  const owner = await ownersPage(device);
  const path = await link(owner, stack, "editors");
  const member = await newDevice();
  const other = await member.open();
  await synced(other);
  await storedForOffline(other);
  member.network.cut();
  await other.goto(path);
  await expect(other.getByText("The server cannot be reached.")).toBeVisible();
  member.network.restore();
  await other.getByRole("button", { name: "Try again" }).click();
  await join(other, "Groceries");
});

test("a link is made without a network, copied, and good as soon as there is one", async ({
  device,
  newDevice,
  stack,
}) => {
  const owner = await ownersPage(device);
  await device.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  device.network.cut();
  await expect(syncStatus(owner)).toHaveText(/^Offline/);
  const address = await makeLink(owner, "editors");
  await sharing(owner).getByRole("button", { name: "Copy link for editors" }).click();
  await expect(sharing(owner).getByRole("status", { name: "Clipboard" })).toHaveText("Copied");
  expect(await owner.evaluate(() => navigator.clipboard.readText())).toBe(address);

  device.network.restore();
  await synced(owner);
  const other = await (await newDevice()).open(new URL(address).pathname);
  await join(other, "Groceries");
});

test("where the browser keeps the clipboard to itself, the address is there to be copied", async ({ device }) => {
  const owner = await device.open();
  await owner.evaluate(() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined });
  });
  await addList(owner, "Groceries");
  await openList(owner, "Groceries");
  await openSharing(owner);
  const address = await makeLink(owner, "readers");
  await sharing(owner).getByRole("button", { name: "Copy link for readers" }).click();
  await expect(sharing(owner).getByText("Copy it from the field")).toBeVisible();
  await expect(sharing(owner).getByRole("textbox", { name: "Address of the link for readers" })).toBeFocused();
  expect(await owner.evaluate(() => getSelection()?.toString())).toBe(address);
});

test("sharing fits a narrow screen", async ({ newDevice, stack }) => {
  const device = await newDevice({ viewport: { width: 320, height: 640 } });
  const owner = await ownersPage(device);
  const path = await link(owner, stack, "editors");
  await join(await (await newDevice()).open(path), "Groceries");
  await expect(members(owner)).toHaveCount(2);
  const width = await owner.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(320);
});

/** A list's page offers no way to change it. */
async function expectNothingToChange(page: Page) {
  await expect(page.getByRole("textbox")).toHaveCount(0);
  await expect(page.getByRole("main").getByRole("button")).toHaveCount(0);
}
