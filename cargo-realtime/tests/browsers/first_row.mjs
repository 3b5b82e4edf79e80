// Two browsers of one person on a fresh app: what one writes appears in the other, and back.
// usage: node first_row.mjs URL, with the browser's program in CHROMIUM_PATH unless Playwright has its own.
import { chromium, expect as impatient } from "@playwright/test";

// The app may still be compiled when the page opens, by all cores of a small machine.
const expect = impatient.configure({ timeout: 30_000 });

const [url] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH || undefined,
  // Chromium's own sandbox refuses to work for root, which is who one is in many containers.
  args: process.getuid?.() === 0 ? ["--no-sandbox", "--disable-gpu"] : [],
});
try {
  const one = await (await browser.newContext()).newPage();
  await one.goto(url);
  await one.getByRole("textbox", { name: "New list" }).fill("From the first");
  await one.getByRole("button", { name: "Add list" }).click();
  await expect(one.getByRole("link", { name: "From the first" })).toBeVisible();

  const context = await browser.newContext();
  await context.addCookies(await one.context().cookies());
  const other = await context.newPage();
  await other.goto(url);
  await expect(other.getByRole("link", { name: "From the first" })).toBeVisible();

  await other.getByRole("textbox", { name: "New list" }).fill("From the other");
  await other.getByRole("button", { name: "Add list" }).click();
  await expect(one.getByRole("link", { name: "From the other" })).toBeVisible();
} finally {
  await browser.close();
}
