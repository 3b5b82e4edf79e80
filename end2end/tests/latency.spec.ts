import { live } from "../harness/device.ts";
import { openFloor } from "../harness/floor.ts";
import { measure, noteFirstRow, quantiles, ratio } from "../harness/latency.ts";
import { addList, addTodo, openList, synced, todos } from "../harness/pages.ts";
import { expect, test } from "../harness/test.ts";

// How fast is told, not judged: that depends on the machine. `npm run latency` makes enough of it for the figures.
test("how long a write takes to be seen, in the app and with nothing but the SDK", async ({ app, browser, stack }, { project }) => {
  const writes = Number(project.metadata.writes ?? 10);
  // Without the tests' proxy, which would be in the figures.
  const one = await browser.newContext({ baseURL: app.url });
  await one.request.get("/");
  const other = await browser.newContext({ baseURL: app.url, storageState: await one.storageState() });

  const appPages = [await one.newPage(), await other.newPage()] as const;
  for (const page of appPages) {
    await page.goto("/");
    await live(page);
  }
  await addList(appPages[0], "Latency");
  for (const page of appPages) await openList(page, "Latency");
  for (const page of appPages) await synced(page);
  const measuredApp = await measure(...appPages, writes);
  for (const page of appPages) await page.close();

  const list = crypto.randomUUID();
  const floorPages = [await openFloor(one, stack, list), await openFloor(other, stack, list)] as const;
  const floor = await measure(...floorPages, writes);
  for (const context of [one, other]) await context.close();

  const of = (side: "own" | "other") => ({
    p50: ratio(measuredApp[side].p50, floor[side].p50),
    p95: ratio(measuredApp[side].p95, floor[side].p95),
  });
  const ratios = { own: of("own"), other: of("other") };
  console.log(JSON.stringify({ writes, milliseconds: { app: measuredApp, floor }, ratios }));
  for (const { own, other } of [measuredApp, floor]) expect(own.p50 > 0 && other.p50 > 0).toBe(true);
});

test("how long the rows of a page take to be painted, rendered by the server and by the browser alone", async ({
  app,
  browser,
}, { project }) => {
  const loads = Number(project.metadata.loads ?? 5);
  const context = await browser.newContext({ baseURL: app.url });
  const page = await context.newPage();
  await page.goto("/");
  await live(page);
  await addList(page, "Paint");
  await openList(page, "Paint");
  for (let number = 1; number <= 20; number++) await addTodo(page, `Todo ${number}`);
  await expect(todos(page)).toHaveCount(20);
  await synced(page);
  const address = page.url();
  await expect
    .poll(async () => (await (await context.request.get(address)).text()).split('type="checkbox"').length)
    .toBe(21);

  const measured = { rendered: [] as number[], skeleton: [] as number[] };
  await page.addInitScript(noteFirstRow);
  for (let load = -1; load < loads; load++) {
    for (const way of ["rendered", "skeleton"] as const) {
      await page.goto(way === "skeleton" ? `${address}?skeleton` : address);
      await synced(page);
      const painted = await page.evaluate(() => window.firstRow);
      // The first load fills caches.
      if (load >= 0) measured[way].push(painted ?? NaN);
    }
  }
  await context.close();
  const [rendered, skeleton] = [quantiles(measured.rendered), quantiles(measured.skeleton)];
  console.log(
    JSON.stringify({ loads, milliseconds: { rendered, skeleton }, ratio: ratio(rendered.p50, skeleton.p50) }),
  );
  expect(rendered.p50 > 0 && skeleton.p50 > 0).toBe(true);
});
