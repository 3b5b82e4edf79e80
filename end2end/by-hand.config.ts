import { defineConfig } from "@playwright/test";
import config from "./playwright.config.ts";

/** `npx playwright test --config by-hand.config.ts --project …`: what is run now and then, and only looked at. */
export default defineConfig({
  ...config,
  timeout: 300_000,
  projects: [
    // Prints how long a write takes to be seen, and a page's rows to be painted.
    { name: "latency", testMatch: "latency.spec.ts", metadata: { writes: 100, loads: 30 } },
    // Writes docs/screenshot.png.
    { name: "screenshot", testDir: "harness", testMatch: "screenshot.ts" },
  ],
});
