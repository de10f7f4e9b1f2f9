// @ts-check
// Runs before the first paint, so that a chosen theme never flashes the other one.
(() => {
  // What a phone paints around the page; without a choice it follows the system, as the page's own metas say.
  const FRAMES = /** @type {Record<string, string>} */ ({ light: "#f8f9fa", dark: "#191f24" });
  const paintFrame = () => {
    const chosen = FRAMES[document.documentElement.dataset.theme ?? ""];
    for (const meta of /** @type {NodeListOf<HTMLMetaElement>} */ (document.querySelectorAll('meta[name="theme-color"]'))) {
      meta.dataset.own ??= meta.content;
      meta.content = chosen ?? meta.dataset.own ?? "";
    }
  };

  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark" || theme === "contrast") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system's theme stands.
  }
  paintFrame();
  document.addEventListener("theme-changed", paintFrame);
})();
