import { userId } from "../harness/device.ts";
import { addList, list, lists, notices, synced, syncStatus } from "../harness/pages.ts";
import { SyncClient } from "../harness/sync-client.ts";
import { expect, test } from "../harness/test.ts";
import { TokenSigner } from "../harness/token.ts";

test("a user with as many lists as there may be syncs, and is told that one more is too many", async ({ device, stack }) => {
  const page = await device.open();
  await addList(page, "First");
  await synced(page);
  const user = await userId(page);
  await stack.sql`
    INSERT INTO lists (id, owner_id, name) SELECT ${user} || n, ${user}, 'One of many' FROM generate_series(2, 900) AS n`;
  // So many buckets are a lot for a debug build.
  test.slow();
  await expect(lists(page)).toHaveCount(900, { timeout: 60_000 });

  await addList(page, "One too many");
  await expect(notices(page)).toContainText("You are on 900 lists, and more cannot be synced.");
  await expect(list(page, "One too many")).toHaveCount(0);
  await synced(page);

  const client = await SyncClient.open(stack.environment.VITE_POWERSYNC_URL ?? "", new TokenSigner(stack).token(user));
  await client.read();
  client.close();
  // One a list, one for invitations, and one for rejections.
  expect(client.bucketNames).toHaveLength(902);
});

test("who has more than can be synced is told what to do, and when it is done all is well", async ({ device, stack }) => {
  const page = await device.open();
  await addList(page, "First");
  await synced(page);
  const user = await userId(page);
  await stack.sql.begin(async (sql) => {
    await sql`ALTER TABLE members DISABLE TRIGGER members_limit_lists`;
    await sql`INSERT INTO lists (id, owner_id, name) SELECT ${user} || n, ${user}, 'One of many' FROM generate_series(1, 1000) AS n`;
    await sql`ALTER TABLE members ENABLE TRIGGER members_limit_lists`;
  });
  await expect(syncStatus(page)).toHaveText("Not syncing");
  await syncStatus(page).click();
  await expect(page.getByText("You are on more lists than can be synced")).toBeVisible();

  await stack.sql`DELETE FROM lists WHERE owner_id = ${user} AND name = 'One of many'`;
  await synced(page);
  await expect(page.getByText("You are on more lists than can be synced")).toHaveCount(0);
  await expect(lists(page)).toHaveCount(1);
});
