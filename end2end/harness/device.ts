import { type Browser, type BrowserContext, type BrowserContextOptions, expect, type Page } from "@playwright/test";
import { Network } from "./network.ts";

/** A browser of one user, with a network of its own. */
export class Device {
  /** What a page tried and its Content-Security-Policy forbade. A device that has any when it is closed fails its test. */
  readonly violations: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly network: Network,
  ) {
    context.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) this.violations.push(message.text());
    });
  }

  /** A browser that has never been here; with `cookies` of another device, that device's user. */
  static async make(browser: Browser, baseURL: string, options: BrowserContextOptions = {}): Promise<Device> {
    const network = await Network.start();
    const context = await browser.newContext({ baseURL, proxy: network.proxy, ...options });
    return new Device(context, network);
  }

  /** Opens a tab, and returns when the page is live. */
  async open(path = "/"): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(path);
    await live(page);
    return page;
  }

  async close() {
    await this.context.close();
    await this.network.close();
    expect(this.violations).toEqual([]);
  }
}

/** Returns when hydration is done. */
export async function live(page: Page) {
  await expect(page.locator("html[data-hydrated]")).toBeAttached();
}

/** The id of the page's user. */
export async function userId(page: Page): Promise<string> {
  const session = await page.locator("meta[name=session]").getAttribute("content");
  return (JSON.parse(session ?? "{}") as { user_id: string }).user_id;
}

/** Returns when the browser has stored all that the app needs to start without a network. */
export async function storedForOffline(page: Page) {
  const notStored = async () => {
    await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((entry) => new URL(entry.name));
    const files = loaded.filter((url) => url.origin === location.origin && !url.pathname.startsWith("/api/"));
    const wanted = ["/", "/lists/offline", "/join/offline", ...files.map((url) => url.pathname)];
    const stored = await Promise.all(wanted.map((path) => caches.match(path, { ignoreSearch: true })));
    return wanted.filter((_path, index) => !stored[index]);
  };
  await expect.poll(() => page.evaluate(notStored)).toEqual([]);
}
