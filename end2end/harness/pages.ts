import { expect, type Locator, type Page } from "@playwright/test";

// What a person sees and does on the app's pages, by role and accessible name.

/** What the app says about syncing. */
export function syncStatus(page: Page): Locator {
  return page.getByRole("status", { name: "Sync", exact: true });
}

/** Returns when nothing waits to be sent or downloaded. */
export async function synced(page: Page) {
  await expect(syncStatus(page)).toHaveText("Synced");
}

/** The notices of what went wrong. */
export function notices(page: Page): Locator {
  return page.getByRole("region", { name: "Notices" }).getByRole("alert");
}

/** The lists on the first page. */
export function lists(page: Page): Locator {
  return page.getByRole("list", { name: "Lists" }).getByRole("listitem");
}

/** The list with this name, on the first page. */
export function list(page: Page, name: string): Locator {
  return lists(page).filter({ has: page.getByRole("link", { name, exact: true }) });
}

export async function addList(page: Page, name: string) {
  await page.getByRole("textbox", { name: "New list" }).fill(name);
  await page.getByRole("button", { name: "Add list" }).click();
}

export async function renameList(page: Page, name: string, newName: string) {
  await page.getByRole("button", { name: `Rename ${name}`, exact: true }).click();
  await page.getByRole("textbox", { name: "List name" }).fill(newName);
  await page.getByRole("button", { name: "Save" }).click();
}

/** Goes from the first page to a list's own, by its link. */
export async function openList(page: Page, name: string) {
  await page.getByRole("link", { name, exact: true }).click();
  await expect(page.getByRole("heading", { name, exact: true })).toBeVisible();
}

/** The todos on a list's page. */
export function todos(page: Page): Locator {
  return page.getByRole("list", { name: "Todos" }).getByRole("checkbox");
}

/** The todo with this title, on a list's page. */
export function todo(page: Page, title: string): Locator {
  return page.getByRole("list", { name: "Todos" }).getByRole("checkbox", { name: title, exact: true });
}

export async function addTodo(page: Page, title: string) {
  await page.getByRole("textbox", { name: "New todo" }).fill(title);
  await page.getByRole("button", { name: "Add todo" }).click();
}

export async function editTodo(page: Page, title: string, newTitle: string) {
  await page.getByRole("button", { name: `Edit ${title}`, exact: true }).click();
  await page.getByRole("textbox", { name: "Todo", exact: true }).fill(newTitle);
  await page.getByRole("button", { name: "Save" }).click();
}

/** Deletes a list or a todo. */
export async function remove(page: Page, name: string) {
  await page.getByRole("button", { name: `Delete ${name}`, exact: true }).click();
}

/** The password of everybody in these tests. */
export const password = "correct horse";

export async function openAccount(page: Page) {
  await page.getByRole("link", { name: "Account" }).click();
  await expect(page.getByRole("heading", { name: "Account", exact: true })).toBeVisible();
}

/** Makes an account of the page's guest. */
export async function createAccount(page: Page, name: string) {
  await openAccount(page);
  await fillIn(page, "Create an account", { Name: name, "New password": password });
  await expect(page.getByText(`You are signed in as ${name}.`)).toBeVisible();
}

/** Signs in on the page that is open, which then loads as the user's. */
export async function signIn(page: Page, name: string) {
  await openAccount(page);
  await fillIn(page, "Sign in", { Name: name, Password: password });
  await expect(page.getByRole("heading", { name: "Lists" })).toBeVisible();
}

export async function signOut(page: Page) {
  await openAccount(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Lists" })).toBeVisible();
}

/** Fills a form in and submits it. */
export async function fillIn(page: Page, form: string, values: Record<string, string>) {
  const fields = page.getByRole("form", { name: form });
  for (const [label, value] of Object.entries(values)) await fields.getByLabel(label, { exact: true }).fill(value);
  await fields.getByRole("button").click();
}

/** Goes to the first page, by its link. */
export async function openLists(page: Page) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Lists" }).click();
  await expect(page.getByRole("heading", { name: "Lists" })).toBeVisible();
}

/** What is about sharing, on a list's page. */
export function sharing(page: Page): Locator {
  return page.getByRole("region", { name: "Sharing" });
}

export async function openSharing(page: Page) {
  await sharing(page).getByRole("heading", { name: "Sharing" }).click();
  await expect(members(page).first()).toBeVisible();
}

/** Who is on a list, in its open sharing section. */
export function members(page: Page): Locator {
  return sharing(page).getByRole("list", { name: "Members" }).getByRole("listitem");
}

/** The links by which others join the list, in its open sharing section. */
export function links(page: Page): Locator {
  return sharing(page).getByRole("list", { name: "Links" }).getByRole("listitem");
}

/** Makes a link by which others join the list, in its open sharing section, and returns its address. */
export async function makeLink(page: Page, whom: "editors" | "readers"): Promise<string> {
  await sharing(page).getByRole("button", { name: `Make a link for ${whom}` }).click();
  return sharing(page).getByRole("textbox", { name: `Address of the link for ${whom}` }).inputValue();
}

/** Follows a link, on its page. */
export async function join(page: Page, name: string) {
  await page.getByRole("button", { name: "Join list" }).click();
  await expect(page.getByRole("heading", { name, exact: true })).toBeVisible();
}

/** Lets the member, the only one who has no name, do more or less. */
export async function changeRole(page: Page, role: "editor" | "reader") {
  await sharing(page).getByRole("combobox", { name: "Role of Guest" }).selectOption(role);
}
