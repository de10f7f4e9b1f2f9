// @ts-check
// Mounts static/js/modules/<name>.js on every [data-module="name"], again after each HTMX swap, and cleans up what is swapped out.

import { keepFocus } from "./keeping-focus.js";
import { createMounter } from "./mounting.js";
import { watchPressing } from "./pressing.js";
import { sayNews } from "./saying.js";

const mounter = createMounter((name) => import(`./modules/${name}.js`));

watchPressing(window);
keepFocus(document.body);
sayNews(document.body);
mounter.mountAll(document.body);
document.body.addEventListener("htmx:load", (event) => {
  if (!(event.target instanceof Element)) return;
  mounter.mountAll(event.target);
  sayNews(event.target);
});
document.body.addEventListener("htmx:beforeCleanupElement", (event) => {
  if (event.target instanceof Element) mounter.unmount(event.target);
});
