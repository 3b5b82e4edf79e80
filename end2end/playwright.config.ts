import { defineConfig } from "@playwright/test";
import { executablePath } from "./harness/browser.ts";

// Chromium's own sandbox refuses to work for root, which is who one is in many containers.
const isRoot = process.getuid?.() === 0;
// What Chromium would do by itself has no place in a test of who talks to whom.
const quiet = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--disable-gpu",
];

/** `npx playwright test`: the proof that the app holds what it promises. */
export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  globalSetup: "./harness/global-setup.ts",
  // The tests kill what they share, so they take turns.
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    // Recording takes a third of the time; `npx playwright test --trace on` does, to look closer.
    trace: "off",
    launchOptions: { executablePath: executablePath(), args: isRoot ? ["--no-sandbox", ...quiet] : quiet },
  },
});
