// What the scripts beside this one share: browsers, each with a network of its own that can be cut.
import { chromium, expect as impatient } from "@playwright/test";
import { transform } from "esbuild";
import { readFile } from "node:fs/promises";

// The app may still be compiled when a page opens, by all cores of a small machine, and connecting takes seconds then.
export const expect = impatient.configure({ timeout: 30_000 });

/** Calls `play` with a function that makes devices, and leaves nothing open however it ends. */
export async function withDevices(url, play) {
  const { Network } = await networkOfTheTests();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH || undefined,
    // Chromium's own sandbox refuses to work for root, which is who one is in many containers.
    args: process.getuid?.() === 0 ? ["--no-sandbox", "--disable-gpu"] : ["--disable-gpu"],
  });
  const networks = [];
  try {
    await play(async (sameUser) => {
      const network = await Network.start();
      networks.push(network);
      const storageState = await sameUser?.context.storageState();
      const context = await browser.newContext({ baseURL: url, proxy: network.proxy, storageState });
      return new Device(context, network, await context.newPage());
    });
  } finally {
    await browser.close();
    for (const network of networks) await network.close();
  }
}

/** A browser of one user, with one page. */
class Device {
  constructor(context, network, page) {
    Object.assign(this, { context, network, page });
  }

  async open(path) {
    await this.page.goto(path);
    await expect(this.page.locator("html[data-hydrated]")).toBeAttached();
  }

  /** Returns when nothing waits to be sent or downloaded. */
  async synced() {
    await expect(this.syncStatus).toHaveText("Synced");
  }

  async goOffline() {
    await this.synced();
    this.network.cut();
    await expect(this.syncStatus).toHaveText("Offline");
  }

  /** Returns when so many changes wait for a network, and it has not seen one meanwhile. */
  async hasQueued(changes) {
    await expect(this.syncStatus).toHaveText(`Offline, ${changes} changes to send`);
  }

  get syncStatus() {
    return this.page.getByRole("status", { name: "Sync", exact: true });
  }

  get notices() {
    return this.page.getByRole("region", { name: "Notices" }).getByRole("alert");
  }
}

export async function step(name, run) {
  const started = Date.now();
  await run();
  console.error(`✓ ${name} (${Date.now() - started} ms)`);
}

/** The proxy of the app's own tests. It is TypeScript, which not every Node reads. */
async function networkOfTheTests() {
  const source = await readFile(new URL("../../../end2end/harness/network.ts", import.meta.url), "utf8");
  const { code } = await transform(source, { loader: "ts" });
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}
