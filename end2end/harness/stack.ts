import { expect } from "@playwright/test";
import { readFile, realpath } from "node:fs/promises";
import { parseEnv } from "node:util";
import postgres from "postgres";
import { appFolder, cargoRealtime, type Report } from "./cargo-realtime.ts";

/** The database and the sync service under the app. */
export class Stack {
  private constructor(
    private readonly databaseId: string,
    /** The seven variables that connect the app to them. */
    readonly environment: NodeJS.Dict<string>,
    /** Postgres, as the owner of all tables. */
    readonly sql: postgres.Sql,
  ) {}

  /** Starts whatever does not run. */
  static async up(): Promise<Stack> {
    const report = await cargoRealtime("up");
    const folder = await realpath(appFolder);
    const app = report.apps.find((app) => app.path === folder);
    if (!app?.databaseId) throw new Error(`\`cargo realtime up\` has not connected ${folder} to a database.`);
    const environment = parseEnv(await readFile(app.envFile, "utf8"));
    return new Stack(app.databaseId, environment, postgres(environment.DIRECT_DATABASE_URL ?? "", { max: 1 }));
  }

  /** Kills Postgres as a power cut would. */
  async killPostgres() {
    await this.kill((report) => report.postgres);
  }

  /** Kills the sync service as a power cut would. */
  async killSyncService() {
    await this.kill((report) => report.databases.find(({ id }) => id === this.databaseId)?.sync);
  }

  /** Starts again what was killed. */
  async restart() {
    await cargoRealtime("up");
  }

  /** Returns when the sync config that the app has deployed is what clients are served by. */
  async configured() {
    const { POWERSYNC_URL, POWERSYNC_API_TOKEN } = this.environment;
    const headers = { authorization: `Bearer ${POWERSYNC_API_TOKEN}` };
    await expect(async () => {
      const answer = await fetch(`${POWERSYNC_URL}/api/sync-rules/v1/current`, { headers });
      expect(await answer.json()).toMatchObject({ data: { current: { valid: true }, next: null } });
    }).toPass({ intervals: [50], timeout: 30_000 });
  }

  async close() {
    await this.sql.end({ timeout: 1 });
  }

  private async kill(which: (report: Report) => { running: boolean; pid: number | null } | null | undefined) {
    const pid = which(await cargoRealtime("status"))?.pid;
    if (!pid) throw new Error("What is to be killed does not run.");
    process.kill(pid, "SIGKILL");
    await expect.poll(async () => which(await cargoRealtime("status"))?.running, { intervals: [50] }).toBe(false);
  }
}
