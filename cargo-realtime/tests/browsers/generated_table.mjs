// Plays with the pages of a generated table in two browsers of one user, against a running app:
//
//   cargo realtime generate table projects name:text done:boolean budget:real hits:bigint notes:text:optional \
//     starts_at:timestamptz due_at:timestamptz:optional
//   cargo realtime dev
//   CHROMIUM_PATH=/usr/bin/chromium node cargo-realtime/tests/browsers/generated_table.mjs http://127.0.0.1:3000
//
// Ends with 0 if everything is as it should be. Playwright is the one in the app's node_modules.
import { chromium, expect as impatient } from "@playwright/test";

// Connecting takes seconds on a busy machine.
const expect = impatient.configure({ timeout: 30_000 });

const url = process.argv[2];
if (!url) {
  console.error("Say where the app is: node generated_table.mjs http://127.0.0.1:3000");
  process.exit(2);
}

const quiet = ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH || undefined,
  args: process.getuid?.() === 0 ? ["--no-sandbox", ...quiet] : quiet,
});
const complaints = [];
try {
  const anna = await device({ timezoneId: "Europe/Berlin" });
  const here = await open(anna, "/");
  // The same user on another device, elsewhere on earth.
  const there = await open(await device({ storageState: await anna.storageState(), timezoneId: "America/New_York" }), "/");

  await step("the header leads to the empty page", async () => {
    for (const page of [here, there]) {
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Projects" }).click();
      await expect(page).toHaveURL(`${url}/projects`);
      await expect(page.getByRole("heading", { name: "Projects" })).toBeVisible();
      await expect(page.getByText("No projects yet. Add the first one above.")).toBeVisible();
    }
    await expect(here).toHaveTitle(/^Projects/);
  });

  await step("a form that is not complete adds nothing", async () => {
    await field(here, "New project", "Name").fill("   ");
    await here.getByRole("button", { name: "Add project" }).click();
    await expect(field(here, "New project", "Name")).toBeFocused();
    await expect(rows(here)).toHaveCount(0);
  });

  await step("a row made here appears there", async () => {
    await field(here, "New project", "Name").fill("  Garden shed ");
    await field(here, "New project", "Budget").fill("12.5");
    await field(here, "New project", "Hits").fill("3");
    await field(here, "New project", "Starts at").fill("2026-07-01T18:30");
    await field(here, "New project", "Name").press("Enter");
    await expect(rows(here)).toHaveText(["Garden shedbudget 12.5 · hits 3Delete"]);
    await expect(rows(there)).toHaveText(["Garden shedbudget 12.5 · hits 3Delete"]);
    for (const name of ["Name", "Budget", "Hits", "Starts at", "Notes"]) {
      await expect(field(here, "New project", name)).toHaveValue("");
    }
  });

  await step("its page shows every column", async () => {
    for (const page of [here, there]) {
      await page.getByRole("link", { name: "Garden shed" }).click();
      await expect(page.getByRole("heading", { name: "Garden shed" })).toBeVisible();
      await expect(page).toHaveTitle(/^Garden shed/);
    }
    await expectFields(here, { Name: "Garden shed", Budget: "12.5", Hits: "3", Notes: "", "Starts at": "2026-07-01T18:30", "Due at": "" });
    await expect(field(here, "Edit project", "Done")).not.toBeChecked();
    // Six hours apart.
    await expectFields(there, { Name: "Garden shed", "Starts at": "2026-07-01T12:30" });
  });

  await step("an edit there appears here", async () => {
    await field(there, "Edit project", "Name").fill("Garden house");
    await field(there, "Edit project", "Done").check();
    await field(there, "Edit project", "Budget").fill("-0.25");
    await field(there, "Edit project", "Hits").fill("1e3");
    await field(there, "Edit project", "Notes").fill("With a 'roof'; \"green\"");
    await field(there, "Edit project", "Due at").fill("2026-12-24T12:00");
    await there.getByRole("button", { name: "Save" }).click();
    const edited = { Name: "Garden house", Budget: "-0.25", Hits: "1000", Notes: "With a 'roof'; \"green\"" };
    await expectFields(there, { ...edited, "Starts at": "2026-07-01T12:30", "Due at": "2026-12-24T12:00" });
    await expectFields(here, { ...edited, "Starts at": "2026-07-01T18:30", "Due at": "2026-12-24T18:00" });
    await expect(field(here, "Edit project", "Done")).toBeChecked();
    await expect(here.getByRole("heading", { name: "Garden house" })).toBeVisible();
  });

  await step("what is typed here stays while another column changes there, and only it is written", async () => {
    await field(here, "Edit project", "Notes").fill("Typed, not saved");
    await field(there, "Edit project", "Name").fill("Garden palace");
    await field(there, "Edit project", "Name").press("Enter");
    await expectFields(here, { Name: "Garden palace", Notes: "Typed, not saved" });
    await here.getByRole("button", { name: "Save" }).click();
    await expectFields(there, { Name: "Garden palace", Notes: "Typed, not saved" });
  });

  await step("what is optional can be emptied", async () => {
    await field(here, "Edit project", "Notes").fill("");
    await field(here, "Edit project", "Due at").fill("");
    await here.getByRole("button", { name: "Save" }).click();
    await expectFields(there, { Notes: "", "Due at": "" });
  });

  await step("what Postgres does not take is undone, with the reason", async () => {
    await field(here, "Edit project", "Notes").fill("x".repeat(2001));
    await here.getByRole("button", { name: "Save" }).click();
    const reason = "A change was undone: The project's notes must have at most 2000 characters.";
    for (const page of [here, there]) {
      await expect(page.getByRole("region", { name: "Notices" }).getByRole("alert")).toContainText(reason);
    }
    await expectFields(here, { Notes: "" });
    await here.getByRole("button", { name: "Dismiss" }).click();
    await expect(there.getByRole("region", { name: "Notices" }).getByRole("alert")).toHaveCount(0);
  });

  await step("a row written without a network is sent later", async () => {
    const page = await open(await device({ storageState: await anna.storageState() }), "/projects");
    await expect(rows(page)).toHaveCount(1);
    await synced(page);
    await page.context().setOffline(true);
    await add(page, "Offline");
    await expect(rows(page)).toHaveCount(2);
    await page.context().setOffline(false);
    await here.getByRole("link", { name: "All projects" }).click();
    await expect(rows(here)).toHaveText([/^Garden palace/, /^Offline/]);
    await page.context().close();
  });

  await step("both pages start without a network, also where they were never loaded", async () => {
    const page = await open(await device({ storageState: await anna.storageState() }), "/");
    await synced(page);
    const stored = () => page.evaluate(async () => Boolean((await caches.match("/projects?skeleton")) && (await caches.match("/projects/offline?skeleton"))));
    await expect.poll(stored).toBe(true);
    await page.context().setOffline(true);
    await page.goto("/projects");
    await expect(rows(page)).toHaveText([/^Garden palace/, /^Offline/]);
    const path = await page.getByRole("link", { name: "Garden palace" }).getAttribute("href");
    await page.goto(path);
    await expect(page.getByRole("heading", { name: "Garden palace" })).toBeVisible();
    await expectFields(page, { Name: "Garden palace", Hits: "1000" });
    await page.context().close();
  });

  await step("a narrow screen shows both pages without scrolling sideways", async () => {
    await here.setViewportSize({ width: 320, height: 640 });
    const fits = () => here.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
    expect(await fits()).toBe(true);
    await here.getByRole("link", { name: "Offline" }).click();
    await expect(here.getByRole("form", { name: "Edit project" })).toBeVisible();
    expect(await fits()).toBe(true);
  });

  await step("a row is deleted on its page, and on the list", async () => {
    await here.getByRole("button", { name: "Delete project" }).click();
    await expect(here).toHaveURL(`${url}/projects`);
    await expect(rows(here)).toHaveCount(1);
    await here.getByRole("button", { name: "Delete Garden palace" }).click();
    await expect(here.getByText("No projects yet.")).toBeVisible();
    await expect(there.getByRole("heading", { name: "No such project" })).toBeVisible();
  });

  await step("another user sees none of it, and an unknown id is not found", async () => {
    await add(here, "Private");
    await here.getByRole("link", { name: "Private" }).click();
    await expect(here.getByRole("heading", { name: "Private" })).toBeVisible();
    await synced(here);
    const stranger = await open(await device(), new URL(here.url()).pathname);
    await expect(stranger.getByRole("heading", { name: "No such project" })).toBeVisible();
    await stranger.getByRole("link", { name: "Projects", exact: true }).click();
    await expect(stranger.getByText("No projects yet.")).toBeVisible();
  });

  expect(complaints, "what the pages have said to the console").toEqual([]);
} finally {
  await browser.close();
}

async function device(options = {}) {
  return browser.newContext({ baseURL: url, ...options });
}

async function open(context, path) {
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Without a network, Chromium reports every request that fails, and the SDK what came of it.
    const expected = /net::ERR_INTERNET_DISCONNECTED|TypeError|The server cannot be reached/.test(message.text());
    if (message.type() === "error" && !expected) complaints.push(message.text());
  });
  await page.goto(path);
  await expect(page.locator("html[data-hydrated]")).toBeAttached();
  return page;
}

function rows(page) {
  return page.getByRole("list", { name: "Projects" }).getByRole("listitem");
}

function field(page, form, name) {
  return page.getByRole("form", { name: form }).getByLabel(name, { exact: true });
}

async function expectFields(page, values) {
  for (const [name, value] of Object.entries(values)) {
    await expect(field(page, "Edit project", name)).toHaveValue(value);
  }
}

async function add(page, name) {
  await field(page, "New project", "Name").fill(name);
  await field(page, "New project", "Budget").fill("1");
  await field(page, "New project", "Hits").fill("1");
  await field(page, "New project", "Starts at").fill("2026-01-01T00:00");
  await page.getByRole("button", { name: "Add project" }).click();
}

async function synced(page) {
  await expect(page.getByRole("status", { name: "Sync", exact: true })).toHaveText("Synced");
}

async function step(name, run) {
  const started = Date.now();
  await run();
  console.log(`✓ ${name} (${Date.now() - started} ms)`);
}
