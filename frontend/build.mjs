// Puts the PowerSync web SDK where the browser can load it, in public/powersync/: the SDK itself as one module, and
// beside it the worker and the SQLite builds that it loads by itself.
import { build } from "esbuild";
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const out = "public/powersync";
const worker = dirname(fileURLToPath(import.meta.resolve("@powersync/web/bundled_worker")));

// Encryption and the WebSocket transport are not used, and source maps of minified code help nobody.
const unused = /\.map$|^mc-|^websockets-/;

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
for (const folder of ["", "assets"]) {
  for (const entry of await readdir(join(worker, folder), { withFileTypes: true })) {
    if (entry.isFile() && !unused.test(entry.name)) {
      await cp(join(worker, folder, entry.name), join(out, folder, entry.name));
    }
  }
}

await build({
  entryPoints: { sdk: "@powersync/web" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  // The unused transport then stays out of the module that every visitor downloads.
  splitting: true,
  external: ["@journeyapps/wa-sqlite/*"],
  logLevel: "warning",
});
