import { mkdirSync, writeFileSync } from "node:fs";
mkdirSync("public/powersync", { recursive: true });
writeFileSync("public/powersync/sdk.js", "export {};\n");
