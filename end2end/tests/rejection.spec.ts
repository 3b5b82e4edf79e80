import { addList, list, lists, notices, renameList, synced, syncStatus } from "../harness/pages.ts";
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
