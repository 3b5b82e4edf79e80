import { cargoRealtime } from "./cargo-realtime.ts";
import { requireBuild } from "./paths.ts";

/** Starts the tests' stack; what it returns stops it again, unless it ran before. */
export default async function setup() {
  requireBuild();
  const { postgres } = await cargoRealtime("status");
  await cargoRealtime("up");
  return async () => {
    if (!postgres.running) await cargoRealtime("down");
  };
}
