import { userId } from "../harness/device.ts";
import { addList, lists, synced, syncStatus } from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

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
