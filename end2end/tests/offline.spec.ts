import { live, storedForOffline, userId } from "../harness/device.ts";
import { addList, addTodo, editTodo, openList, remove, synced, syncStatus, todo, todos } from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

test("what is written without a network shows at once, outlives a reload, and arrives afterwards in order", async ({
  device,
  anotherDeviceOf,
  stack,
}) => {
  const one = await device.open();
  await addList(one, "Trip");
  await openList(one, "Trip");
  await addTodo(one, "Book");
  const other = await (await anotherDeviceOf(device)).open();
  await openList(other, "Trip");
  await expect(todo(other, "Book")).toBeVisible();
  await synced(one);
  await storedForOffline(one);

  device.network.cut();
  await expect(syncStatus(one)).toHaveText("Offline");
  // Each of these makes sense only after the one before it.
  await addTodo(one, "Pack");
  await editTodo(one, "Pack", "Pack bags");
  await todo(one, "Pack bags").check();
  await addTodo(one, "Sleep");
  await remove(one, "Book");
  await remove(one, "Sleep");
  await addTodo(one, "Leave");
  await expect(todos(one)).toHaveCount(2);
  await expect(syncStatus(one)).toHaveText("Offline, 7 changes to send");

  await one.reload();
  await live(one);
  await expect(todo(one, "Pack bags")).toBeChecked();
  await expect(todo(one, "Leave")).not.toBeChecked();
  await expect(todos(one)).toHaveCount(2);
  await expect(syncStatus(one)).toHaveText("Offline, 7 changes to send");
  await expect(todo(other, "Book"), "the network was really cut").toBeVisible();

  device.network.restore();
  await expect(todo(other, "Pack bags")).toBeChecked();
  await expect(todo(other, "Leave")).not.toBeChecked();
  await expect(todos(other)).toHaveCount(2);
  await synced(one);
  const uploads = await stack.sql<{ op_id: string }[]>`
    SELECT op_id FROM uploads WHERE user_id = ${await userId(one)} ORDER BY received_at`;
  expect(uploads.map(({ op_id }) => Number(op_id))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
