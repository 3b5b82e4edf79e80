// Puts into public/ what the browser loads besides the app's own wasm: in powersync/ the PowerSync web SDK as one
// module with its worker and SQLite builds beside it, and sw.js, the service worker.
import { build } from "esbuild";
import { cp, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const out = "public/powersync";
const worker = dirname(fileURLToPath(import.meta.resolve("@powersync/web/bundled_worker")));
const { version } = JSON.parse(await readFile(join(worker, "../../package.json"), "utf8"));

// Encryption and the WebSocket transport are not used, and source maps of minified code help nobody.
const unused = /\.map$|^mc-|^websockets-/;
// A device needs one of the two SQLite builds. The one for browsers without private files is not stored in advance.
const rare = /async|IDBBatch|Memory|AccessHandle|WriteAhead|websockets/;

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
for (const folder of ["", "assets"]) {
  for (const entry of await readdir(join(worker, folder), { withFileTypes: true })) {
    if (entry.isFile() && !unused.test(entry.name)) {
      await cp(join(worker, folder, entry.name), join(out, folder, entry.name));
    }
  }
}

const shared = { bundle: true, minify: true, target: "es2022", logLevel: "warning" };
await build({
  ...shared,
  entryPoints: { sdk: "@powersync/web" },
  outdir: out,
  format: "esm",
  // What is imported only on demand then stays out of the module that every visitor downloads.
  splitting: true,
  external: ["@journeyapps/wa-sqlite/*"],
});

const files = (await readdir(out, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile() && !rare.test(entry.name))
  .map((entry) => ({ url: `/${join(entry.parentPath, entry.name).slice("public/".length)}`, revision: version }));
await build({
  ...shared,
  entryPoints: { sw: "frontend/service-worker.js" },
  outdir: "public",
  format: "iife",
  define: { SDK_FILES: JSON.stringify(files), "process.env.NODE_ENV": '"production"' },
});
