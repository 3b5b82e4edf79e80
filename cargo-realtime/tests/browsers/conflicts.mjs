// Two browsers of one user change the same rows while neither has a network, and come back one after the other. What
// becomes of the rows is what server/src/upload/conflict.rs says of their tables:
//
//   documents  Conflict::RejectStale
//   products   Conflict::Counters(&["stock"])
//   auctions   Conflict::Custom(highest_bid_wins)
//
// usage: node conflicts.mjs URL, with the browser's program in CHROMIUM_PATH unless Playwright has its own.
import { expect, step, withDevices } from "./browsers.mjs";

const [url] = process.argv.slice(2);
await withDevices(url, async (device) => {
  const one = await device();
  await one.open("/");
  const other = await device(one);
  await other.open("/");

  await step("both browsers have the rows", async () => {
    await add(one, "document", { Name: "Minutes", Body: "Draft" });
    await add(one, "product", { Name: "Lamp", Stock: "10" });
    await add(one, "auction", { Name: "Clock", Amount: "10" });
    for (const [kind, name] of [["document", "Minutes"], ["product", "Lamp"], ["auction", "Clock"]]) {
      await goToAll(other, kind);
      await expect(link(other, name)).toBeVisible();
    }
  });

  await step("both change them without a network", async () => {
    for (const device of [one, other]) await device.goOffline();
    await edit(one, "document", "Minutes", { Name: "Minutes of May" });
    await edit(other, "document", "Minutes", { Body: "Final" });
    await edit(one, "product", "Lamp", { Stock: "13" });
    await edit(other, "product", "Lamp", { Stock: "15" });
    await edit(one, "auction", "Clock", { Amount: "40" });
    await edit(other, "auction", "Clock", { Amount: "20" });
    for (const device of [one, other]) await device.hasQueued(3);
  });

  await step("one comes back, and then the other", async () => {
    for (const device of [one, other]) {
      device.network.restore();
      await device.synced();
    }
  });

  for (const device of [one, other]) {
    await step("the stale change is undone", () => expectRow(device, "document", "Minutes of May", { Body: "Draft" }));
    await step("what both added is there", () => expectRow(device, "product", "Lamp", { Stock: "18" }));
    await step("the highest bid stays", () => expectRow(device, "auction", "Clock", { Amount: "40" }));
    await step("the reasons are told, and no others", async () => {
      await expect(device.notices).toHaveText([
        /^A change was undone: This was changed elsewhere before your change of it arrived\./,
        /^A change was undone: Somebody has bid 40\./,
      ]);
    });
  }
});

async function add(device, kind, values) {
  await goToAll(device, kind);
  await fill(device, `New ${kind}`, values);
  await device.page.getByRole("button", { name: `Add ${kind}` }).click();
  await expect(link(device, values.Name)).toBeVisible();
}

/** Leaves the page at the row. */
async function edit(device, kind, name, values) {
  await goTo(device, kind, name);
  await fill(device, `Edit ${kind}`, values);
  await device.page.getByRole("button", { name: "Save" }).click();
  await expectFields(device, kind, values);
}

async function expectRow(device, kind, name, values) {
  await goTo(device, kind, name);
  await expectFields(device, kind, values);
}

async function goTo(device, kind, name) {
  await goToAll(device, kind);
  await link(device, name).click();
  await expect(device.page.getByRole("heading", { name, exact: true })).toBeVisible();
}

async function goToAll(device, kind) {
  const title = `${kind[0].toUpperCase()}${kind.slice(1)}s`;
  await device.page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: title }).click();
  await expect(device.page.getByRole("heading", { name: title })).toBeVisible();
}

function link(device, name) {
  return device.page.getByRole("listitem").getByRole("link", { name, exact: true });
}

async function fill(device, form, values) {
  for (const [name, value] of Object.entries(values)) await field(device, form, name).fill(value);
}

async function expectFields(device, kind, values) {
  for (const [name, value] of Object.entries(values)) {
    await expect(field(device, `Edit ${kind}`, name)).toHaveValue(value);
  }
}

function field(device, form, name) {
  return device.page.getByRole("form", { name: form }).getByLabel(name, { exact: true });
}
