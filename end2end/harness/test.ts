import { type BrowserContextOptions, test as base } from "@playwright/test";
import { App } from "./app.ts";
import { Device } from "./device.ts";
import { Stack } from "./stack.ts";

interface Fixtures {
  /** A browser that has never been here. */
  device: Device;
  /** Another one, of a user of its own. */
  newDevice: (options?: BrowserContextOptions) => Promise<Device>;
  /** Another browser of the same user: a guest is known by a cookie, so it gets that. */
  anotherDeviceOf: (device: Device) => Promise<Device>;
}

interface WorkerFixtures {
  stack: Stack;
  app: App;
}

/** Playwright's `test`, with the real stack under it. */
export const test = base.extend<Fixtures, WorkerFixtures>({
  stack: [
    async ({}, use) => {
      const stack = await Stack.up();
      await use(stack);
      await stack.close();
    },
    { scope: "worker" },
  ],
  app: [
    async ({ stack }, use) => {
      const app = await App.start(stack);
      await use(app);
      await app.kill();
    },
    { scope: "worker" },
  ],
  newDevice: async ({ browser, app }, use) => {
    const devices: Device[] = [];
    await use(async (options) => {
      const device = await Device.make(browser, app.url, options);
      devices.push(device);
      return device;
    });
    for (const device of devices) await device.close();
  },
  device: async ({ newDevice }, use) => use(await newDevice()),
  anotherDeviceOf: async ({ newDevice }, use) =>
    use(async ({ context }) => newDevice({ storageState: await context.storageState() })),
});

export { expect } from "@playwright/test";
