import type { Device } from "../harness/device.ts";
import { addList, list, synced } from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

test("two tabs of one browser agree and share one sync connection, whichever is closed", async ({
  device,
  anotherDeviceOf,
}) => {
  const first = await device.open();
  await synced(first);
  const second = await device.open();
  await synced(second);

  await addList(first, "From the first tab");
  await expect(list(second, "From the first tab")).toBeVisible();
  await addList(second, "From the second tab");
  await expect(list(first, "From the second tab")).toBeVisible();

  const elsewhere = await anotherDeviceOf(device);
  const other = await elsewhere.open();
  await expect(list(other, "From the first tab")).toBeVisible();
  await expect(list(other, "From the second tab")).toBeVisible();
  await addList(other, "From elsewhere");
  for (const tab of [first, second]) await expect(list(tab, "From elsewhere")).toBeVisible();
  await expectOneStream(device);
  await expectOneStream(elsewhere);

  await first.close();
  await addList(second, "After the first tab was closed");
  await expect(list(other, "After the first tab was closed")).toBeVisible();
  await addList(other, "To the tab that is left");
  await expect(list(second, "To the tab that is left")).toBeVisible();
  await synced(second);
  await expectOneStream(device);
});

async function expectOneStream({ network }: Device) {
  await expect.poll(() => network.openRequests("/sync/stream")).toBe(1);
}
