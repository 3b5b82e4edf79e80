import { expect } from "@playwright/test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { home, root, server, site } from "./paths.ts";
import type { Stack } from "./stack.ts";

/** The app's server, on a port of its own. */
export class App {
  private process: ChildProcess | undefined;

  private constructor(
    private readonly stack: Stack,
    private readonly address: string,
  ) {}

  static async start(stack: Stack): Promise<App> {
    const app = new App(stack, `127.0.0.1:${await freePort()}`);
    await app.restart();
    return app;
  }

  /** Where it is, without a trailing slash. */
  get url() {
    return `http://${this.address}`;
  }

  /** Starts the server at its address, and returns when it answers. */
  async restart() {
    const log = openSync(this.log, "a");
    this.process = spawn(server, { cwd: root, env: this.environment(), stdio: ["ignore", log, log] });
    closeSync(log);
    await expect(async () => {
      if (this.process?.exitCode != null) return;
      expect((await fetch(`${this.url}/health`)).ok).toBe(true);
    }).toPass({ intervals: [50], timeout: 30_000 });
    if (this.process.exitCode != null) {
      throw new Error(`The app's server does not start:\n${readFileSync(this.log, "utf8").slice(-2000)}`);
    }
  }

  /** Kills the server as a power cut would. */
  async kill() {
    const process = this.process;
    if (!process || process.exitCode != null || process.signalCode) return;
    process.kill("SIGKILL");
    await once(process, "exit");
  }

  private get log() {
    return join(home, "logs/end2end-app.log");
  }

  /** The tests' stack and site, whatever cargo-leptos or a developer has set for another server. */
  private environment(): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LEPTOS_"));
    return {
      ...Object.fromEntries(inherited),
      ...this.stack.environment,
      LEPTOS_OUTPUT_NAME: "app",
      LEPTOS_SITE_ROOT: site,
      LEPTOS_SITE_PKG_DIR: "pkg",
      LEPTOS_SITE_ADDR: this.address,
    };
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  listener.close();
  await once(listener, "close");
  if (!address || typeof address === "string") throw new Error("There is no free port.");
  return address.port;
}
