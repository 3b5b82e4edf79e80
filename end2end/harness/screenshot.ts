import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { addList, addTodo, list, openList, synced, todo, todos } from "./pages.ts";
import { root } from "./paths.ts";
import { test, expect } from "./test.ts";

const window = { width: 560, height: 520 };
const lists = {
  "Weekend in Turku": ["Book the ferry", "Ask Aino for her tent", "Pack rain clothes", "Buy a map", "Water the plants"],
  Groceries: ["Oats", "Coffee", "Apples"],
  "Read next": ["A Philosophy of Software Design", "The Left Hand of Darkness"],
};
const done = ["Book the ferry", "Ask Aino for her tent", "Coffee"];

test("the README's picture: two browsers of one user, side by side", async ({ browser, newDevice }) => {
  const light = await newDevice({ viewport: window, colorScheme: "light" });
  const writing = await light.open();
  for (const [name, titles] of Object.entries(lists)) {
    await addList(writing, name);
    await openList(writing, name);
    for (const title of titles) await addTodo(writing, title);
    await expect(todos(writing)).toHaveCount(titles.length);
    for (const title of titles.filter((title) => done.includes(title))) await todo(writing, title).check();
    await writing.getByRole("link", { name: "All lists" }).click();
  }
  const dark = await newDevice({
    viewport: window,
    colorScheme: "dark",
    storageState: await light.context.storageState(),
  });
  const watching = await dark.open();
  await openList(watching, "Weekend in Turku");
  await expect(list(writing, "Groceries")).toContainText("1 of 3 done");
  await expect(todo(watching, "Ask Aino for her tent")).toBeChecked();
  for (const page of [writing, watching]) await synced(page);

  const pictures = [];
  for (const page of [writing, watching]) {
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    pictures.push((await page.screenshot({ animations: "disabled" })).toString("base64"));
  }
  const frame = await browser.newPage({ viewport: { width: 1200, height: window.height + 2 * 26 } });
  await frame.setContent(`
    <style>
      body { margin: 0; padding: 26px; display: flex; justify-content: space-between; background: #dfe6e2 }
      img { border-radius: 12px; box-shadow: 0 6px 20px #0003 }
    </style>
    ${pictures.map((picture) => `<img src="data:image/png;base64,${picture}">`).join("")}`);
  await mkdir(join(root, "docs"), { recursive: true });
  await frame.screenshot({ path: join(root, "docs/screenshot.png") });
  await frame.close();
});
