import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** The app's folder. */
export const root = resolve(import.meta.dirname, "../..");

/** Where the tests' own local stack lives. */
export const home = resolve(root, process.env.REALTIME_HOME || "target/realtime-test");

/** What `cargo leptos build` makes, and where. */
export const server = resolve(root, process.env.CARGO_TARGET_DIR || "target", "debug/server");
export const site = resolve(root, process.env.LEPTOS_SITE_ROOT || "target/site");

/** Stops with a sentence when the app is not built. */
export function requireBuild() {
  for (const file of [server, join(site, "pkg/app.js")]) {
    if (!existsSync(file)) {
      throw new Error(`${file} is missing. Run \`cargo leptos build\` first, or \`cargo realtime test\`, which does.`);
    }
  }
}
