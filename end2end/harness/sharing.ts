import { expect, type Page } from "@playwright/test";
import type { Device } from "./device.ts";
import { addList, addTodo, makeLink, openList, openSharing } from "./pages.ts";
import type { Stack } from "./stack.ts";

/** The page of a new list with a todo, and with its sharing section open. */
export async function ownersPage(device: Device): Promise<Page> {
  const page = await device.open();
  await addList(page, "Groceries");
  await openList(page, "Groceries");
  await addTodo(page, "Milk");
  await openSharing(page);
  return page;
}

/** Makes a link, in the open sharing section of a list, and returns its path as soon as the server knows it. */
export async function link(owner: Page, stack: Stack, whom: "editors" | "readers"): Promise<string> {
  const path = new URL(await makeLink(owner, whom)).pathname;
  await expect.poll(() => isValid(stack, path)).toBe(true);
  return path;
}

/** Whether the server knows a link of this path. */
export async function isValid({ sql }: Stack, path: string): Promise<boolean> {
  return (await sql`SELECT FROM invitations WHERE id = ${path.replace("/join/", "")}`).length === 1;
}

/** What the server lets a user do on the list that they have joined; `undefined` where they are not on it. */
export async function roleOf({ sql }: Stack, userId: string): Promise<string | undefined> {
  const [member] = await sql<{ role: string }[]>`
    SELECT role FROM members WHERE user_id = ${userId} AND role <> 'owner'`;
  return member?.role;
}
