import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { home, root } from "./paths.ts";

const run = promisify(execFile);

/** The part of `cargo realtime status --json` that the tests read. */
export interface Report {
  postgres: { running: boolean; pid: number | null };
  databases: { id: string; sync: { running: boolean; pid: number | null } | null }[];
  apps: { path: string; envFile: string; databaseId: string | null }[];
}

/** The folder that stands for the app in the tests' stack, so that the real one keeps its `.env`. */
export const appFolder = join(home, "end2end");

/** Runs a command of `cargo realtime` on the tests' own stack. */
export async function cargoRealtime(command: "up" | "down" | "status"): Promise<Report> {
  await mkdir(appFolder, { recursive: true });
  await writeFile(join(appFolder, "Cargo.toml"), '[[workspace.metadata.leptos]]\nname = "end2end"\n');
  const { stdout } = await run(await program(), [command, "--json"], {
    cwd: appFolder,
    env: { ...process.env, REALTIME_HOME: home },
  });
  return JSON.parse(stdout) as Report;
}

/** Where the tool is part of the workspace it is built, once: workers inherit the variable. Elsewhere it is installed. */
async function program(): Promise<string> {
  process.env.CARGO_REALTIME ||= existsSync(join(root, "cargo-realtime")) ? await build() : "cargo-realtime";
  return process.env.CARGO_REALTIME;
}

async function build(): Promise<string> {
  await run("cargo", ["build", "--package", "cargo-realtime"], { cwd: root, maxBuffer: 1 << 26 });
  return join(root, "target/debug/cargo-realtime");
}
