// Copies the files that browsers load from node_modules to static/vendor, where Django serves them.

import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

const files = [
  // Not for browsers: the type checker finds it beside the module it describes.
  ["uplot/dist/uPlot.d.ts", "uplot/uPlot.esm.d.ts"],
  ["uplot/dist/uPlot.min.css", "uplot/uPlot.min.css"],
  ["htmx.org/dist/htmx.min.js", "htmx/htmx.min.js"],
];

for (const [source, target] of files) {
  const destination = path.join(root, "static", "vendor", target);
  await mkdir(path.dirname(destination), { recursive: true });
  await copyFile(path.join(root, "node_modules", source), destination);
}

// uPlot's own module is not minified, and twice as large on the wire as its script: that one as a module.
const script = await readFile(path.join(root, "node_modules", "uplot", "dist", "uPlot.iife.min.js"), "utf8");
await writeFile(path.join(root, "static", "vendor", "uplot", "uPlot.esm.js"), `${script}\nexport default uPlot;\n`);
