import { readFile } from "node:fs/promises";
import { live, storedForOffline, userId } from "../harness/device.ts";
import { localRows } from "../harness/local-database.ts";
import {
  addList,
  addTodo,
  createAccount,
  fillIn,
  list,
  lists,
  notices,
  openAccount,
  openList,
  openLists,
  password,
  signIn,
  signOut,
  synced,
  syncStatus,
  todo,
} from "../harness/pages.ts";
import type { Stack } from "../harness/stack.ts";
import { expect, test } from "../harness/test.ts";

let names = 0;

/** A name that nobody else in this database has. */
function newName(): string {
  return `Ann ${process.pid} ${Date.now()} ${names++}`;
}

test("a guest's lists stay when they make an account, and are there wherever they sign in", async ({
  device,
  newDevice,
}) => {
  const name = newName();
  const here = await device.open();
  await addList(here, "Mine");
  await synced(here);
  const guest = await userId(here);
  await createAccount(here, name);
  await openLists(here);
  await expect(list(here, "Mine")).toBeVisible();

  const there = await (await newDevice()).open();
  await signIn(there, name);
  await expect(list(there, "Mine")).toBeVisible();
  expect(await userId(there)).toBe(guest);
  await addList(there, "From there");
  await expect(list(here, "From there")).toBeVisible();
});

test("who signs in comes to the lists, though another tab says meanwhile that the user has changed", async ({
  device,
  newDevice,
}) => {
  const name = newName();
  await createAccount(await device.open(), name);
  const other = await newDevice();
  const page = await other.open();
  await live(page);
  await openAccount(page);
  // The last step before the next page is held until the other tab has spoken.
  await page.evaluate(() => {
    const released = new Promise<void>((resolve) => Object.assign(window, { release: resolve }));
    CacheStorage.prototype.delete = () => released.then(() => true);
  });
  const before = await page.evaluate(() => document.cookie);
  await fillIn(page, "Sign in", { Name: name, Password: password });
  await expect.poll(() => page.evaluate(() => document.cookie)).not.toBe(before);
  await live(await other.open());
  await page.evaluate(() => (window as unknown as { release: () => void }).release());
  await expect(page.getByRole("heading", { name: "Lists" })).toBeVisible();
});

test("what is wrong with a name or a password is said, and can be put right", async ({ device, newDevice }) => {
  const name = newName();
  await createAccount(await device.open(), name);
  const page = await (await newDevice()).open();
  await openAccount(page);
  await fillIn(page, "Sign in", { Name: name, Password: "wrong horse" });
  await expect(page.getByRole("alert")).toHaveText("The name or the password is wrong.");
  await fillIn(page, "Create an account", { Name: name, "New password": password });
  await expect(page.getByText("Somebody has this name already, or one that looks like it: choose another, or sign in.")).toBeVisible();
  await fillIn(page, "Create an account", { Name: `${name} 2`, "New password": "short" });
  await expect(page.getByText("A password must have at least 8 characters.")).toBeVisible();
  await fillIn(page, "Create an account", { Name: `${name} 2`, "New password": password });
  await expect(page.getByText(`You are signed in as ${name} 2.`)).toBeVisible();
});

test("who signs out leaves nothing behind for who comes after, with a network or without", async ({
  device,
  stack,
}) => {
  const name = newName();
  const page = await device.open();
  await addList(page, "Diary");
  await openList(page, "Diary");
  await addTodo(page, "Secret");
  await synced(page);
  const diary = page.url();
  await createAccount(page, name);
  const ann = await userId(page);
  await signOut(page);

  await synced(page);
  expect(await userId(page)).not.toBe(ann);
  await expect(page.getByText("No lists yet.")).toBeVisible();
  await page.goBack();
  await live(page);
  await synced(page);
  await expect(page.getByText("Diary")).toHaveCount(0);
  await storedForOffline(page);
  device.network.cut();
  await expect(syncStatus(page)).toHaveText("Offline");
  for (const address of ["/", diary]) {
    await page.goto(address);
    await live(page);
    await expect(syncStatus(page)).toHaveText("Offline");
    await expect(page.getByText("Diary")).toHaveCount(0);
    await expect(page.getByText("Secret")).toHaveCount(0);
  }
  // Nor does Ann's own database have a row, should somebody know its name.
  for (const table of ["ps_oplog", "ps_crud"]) expect(await localRows(page, stack, table, ann)).toBe(0);

  device.network.restore();
  await page.goto("/");
  await live(page);
  await signIn(page, name);
  await expect(list(page, "Diary")).toBeVisible();
});

test("signing out asks before it loses what has not been sent", async ({ device, stack }) => {
  const page = await device.open();
  const name = newName();
  await createAccount(page, name);
  await openLists(page);
  await addList(page, "Sent");
  await arrived(stack, "Sent", await userId(page));
  await synced(page);
  device.network.refuse("/api/sync");
  await addList(page, "Unsent");
  await expect(syncStatus(page)).toHaveText("Sending 1 change");

  await openAccount(page);
  const question = new Promise<string>((resolve) =>
    page.once("dialog", (dialog) => {
      resolve(dialog.message());
      void dialog.dismiss();
    }),
  );
  await page.getByRole("button", { name: "Sign out" }).click();
  expect(await question).toBe("1 change that has not been sent yet would be lost. Sign out all the same?");
  await openLists(page);
  await expect(list(page, "Unsent")).toBeVisible();

  page.once("dialog", (dialog) => void dialog.accept());
  await signOut(page);
  device.network.restore();
  await signIn(page, name);
  await expect(list(page, "Sent")).toBeVisible();
  await synced(page);
  await expect(list(page, "Unsent")).toHaveCount(0);
});

test("without a network nobody is signed out, and nothing is lost", async ({ device, stack }) => {
  const page = await device.open();
  await createAccount(page, newName());
  await openLists(page);
  await addList(page, "Mine");
  await arrived(stack, "Mine", await userId(page));
  await synced(page);
  await openAccount(page);
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
  device.network.cut();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("alert")).toContainText("The server cannot be reached.");
  await openLists(page);
  await expect(list(page, "Mine")).toBeVisible();
});

test("a session that has ended leaves the app usable, asks to sign in, and loses no change", async ({
  device,
  stack,
}) => {
  const name = newName();
  const page = await device.open();
  await createAccount(page, name);
  await openLists(page);
  await addList(page, "Before");
  await synced(page);
  await storedForOffline(page);

  await endSessions(stack, await userId(page));
  await addList(page, "Meanwhile");
  await expect(list(page, "Meanwhile")).toBeVisible();
  await expect(notices(page)).toContainText("Your session has ended.");

  await page.reload();
  await live(page);
  await expect(list(page, "Meanwhile")).toBeVisible();
  await expect(notices(page)).toContainText("Your session has ended.");
  device.network.cut();
  await page.reload();
  await live(page);
  await addList(page, "Without a network");
  await expect(lists(page)).toHaveCount(3);
  device.network.restore();

  await notices(page).getByRole("link", { name: "Sign in" }).click();
  await fillIn(page, "Sign in", { Name: name, Password: password });
  await expect(page.getByRole("heading", { name: "Lists" })).toBeVisible();
  await expect(lists(page)).toHaveCount(3);
  await synced(page);
  await expect(notices(page)).toHaveCount(0);
  const sent = await stack.sql<{ name: string }[]>`
    SELECT name FROM lists WHERE owner_id = ${await userId(page)} ORDER BY created_at`;
  expect(sent.map((row) => row.name)).toEqual(["Before", "Meanwhile", "Without a network"]);
});

test("who signs in after somebody's session has ended sees nothing of theirs, and they lose nothing", async ({
  device,
  newDevice,
  stack,
}) => {
  const [ann, bob] = [newName(), newName()];
  await createAccount(await (await newDevice()).open(), bob);
  const page = await device.open();
  await createAccount(page, ann);
  await openLists(page);
  await endSessions(stack, await userId(page));
  await addList(page, "Unsent, of Ann");
  await expect(notices(page)).toContainText("Your session has ended.");

  await signIn(page, bob);
  await synced(page);
  await expect(page.getByText("No lists yet.")).toBeVisible();
  await addList(page, "Of Bob");
  await arrived(stack, "Of Bob", await userId(page));
  await synced(page);
  await signOut(page);
  await synced(page);
  await expect(lists(page)).toHaveCount(0);

  await signIn(page, ann);
  await expect(list(page, "Unsent, of Ann")).toBeVisible();
  await synced(page);
  await expect(lists(page)).toHaveCount(1);
  const rows = await stack.sql<{ name: string; owner: string }[]>`
    SELECT lists.name, users.name AS owner FROM lists JOIN users ON users.id = owner_id
    WHERE users.name IN (${ann}, ${bob}) ORDER BY users.name`;
  expect(rows.map(({ name, owner }) => ({ name, owner }))).toEqual([
    { name: "Unsent, of Ann", owner: ann },
    { name: "Of Bob", owner: bob },
  ]);
});

test("a tab that is still open when another user signs in becomes theirs, and mixes nothing", async ({
  device,
  newDevice,
  stack,
}) => {
  const bob = newName();
  await createAccount(await (await newDevice()).open(), bob);
  const first = await device.open();
  await createAccount(first, newName());
  await openLists(first);
  await addList(first, "Of Ann");
  const ann = await userId(first);
  await arrived(stack, "Of Ann", ann);
  await synced(first);
  const second = await device.open();
  await expect(list(second, "Of Ann")).toBeVisible();

  await signOut(first);
  await expect.poll(() => userId(second)).not.toBe(ann);
  await signIn(first, bob);
  await expect.poll(() => userId(second)).toBe(await userId(first));
  await live(second);
  await addList(second, "Of Bob");
  for (const page of [first, second]) {
    await expect(list(page, "Of Bob")).toBeVisible();
    await synced(page);
    await expect(lists(page)).toHaveCount(1);
  }
  const rows = await stack.sql`SELECT FROM lists JOIN users ON users.id = owner_id WHERE users.name = ${bob}`;
  expect(rows).toHaveLength(1);
});

test("a new password signs out everywhere else", async ({ device, newDevice }) => {
  const name = newName();
  const here = await device.open();
  await createAccount(here, name);
  const there = await (await newDevice()).open();
  await signIn(there, name);
  await synced(there);

  await fillIn(here, "Change the password", { Password: "wrong horse", "New password": "battery staple" });
  await expect(here.getByRole("alert")).toHaveText("The password is wrong.");
  await fillIn(here, "Change the password", { Password: password, "New password": "battery staple" });
  await expect(here.getByText("The password is changed.")).toBeVisible();
  await there.reload();
  await live(there);
  await expect(notices(there)).toContainText("Your session has ended.");
  await notices(there).getByRole("link", { name: "Sign in" }).click();
  await fillIn(there, "Sign in", { Name: name, Password: "battery staple" });
  await synced(there);
  await openLists(here);
  await addList(here, "Still here");
  await expect(list(there, "Still here")).toBeVisible();
});

test("who deletes the account leaves nothing, here or on the server", async ({ device, stack }) => {
  const page = await device.open();
  await addList(page, "To be forgotten");
  await openList(page, "To be forgotten");
  await addTodo(page, "Forget");
  await expect(todo(page, "Forget")).toBeVisible();
  await synced(page);
  const ann = await userId(page);
  await createAccount(page, newName());
  page.on("dialog", (dialog) => void dialog.accept());
  await fillIn(page, "Delete the account", { Password: "wrong horse" });
  await expect(page.getByRole("alert")).toHaveText("The password is wrong.");
  await fillIn(page, "Delete the account", { Password: password });
  await expect(page.getByText("No lists yet.")).toBeVisible();
  expect(await userId(page)).not.toBe(ann);
  expect(await stack.sql`SELECT FROM users WHERE id = ${ann}`).toHaveLength(0);
  expect(await stack.sql`SELECT FROM lists WHERE owner_id = ${ann}`).toHaveLength(0);
  expect(await localRows(page, stack, "ps_oplog", ann)).toBe(0);
});

test("people take what they have along as a file", async ({ device }) => {
  const page = await device.open();
  await addList(page, "To take along");
  await synced(page);
  await openAccount(page);
  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download my data" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("my-data.json");
  const data = JSON.parse(await readFile(await download.path(), "utf8")) as { lists: { name: string }[] };
  expect(data.lists.map((list) => list.name)).toEqual(["To take along"]);
  await expect(page.getByRole("heading", { name: "Account", exact: true })).toBeVisible();
});

test("the account's page fits a narrow screen", async ({ newDevice }) => {
  const page = await (await newDevice({ viewport: { width: 320, height: 640 } })).open("/account");
  await expect(page.getByRole("form", { name: "Create an account" })).toBeVisible();
  const widths = () => page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  const [scroll, client] = await widths();
  expect(scroll).toBe(client);
});

/** Ends a user's sessions, as a new password does. */
async function endSessions({ sql }: Stack, user: string) {
  await sql`DELETE FROM sessions WHERE user_id = ${user}`;
}

/** Returns when a user's list is in Postgres. */
async function arrived({ sql }: Stack, name: string, user: string) {
  await expect.poll(() => sql`SELECT FROM lists WHERE name = ${name} AND owner_id = ${user}`).toHaveLength(1);
}
