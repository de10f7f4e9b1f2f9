import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["static/vendor/", "node_modules/", "staticfiles/", ".venv/", ".factorypulse/", "docs/"] },
  js.configs.recommended,
  {
    files: ["static/js/**/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-implied-eval": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Markup comes from the server; text goes in by textContent." },
        { property: "outerHTML", message: "Markup comes from the server." },
      ],
    },
  },
  { files: ["static/service-worker.js"], languageOptions: { ecmaVersion: 2024, sourceType: "script", globals: globals.serviceworker } },
  { files: ["static/js/theme.js", "static/js/early-clicks.js"], languageOptions: { sourceType: "script" } },
  { files: ["tests/js/**", "factorypulse/**/*.mjs", "*.mjs"], languageOptions: { sourceType: "module", globals: globals.node } },
  {
    // Bodies of Node-RED function nodes, and its settings.
    files: ["benchmarks/peer/**"],
    languageOptions: { sourceType: "commonjs", globals: { ...globals.node, msg: "readonly", context: "readonly" } },
  },
];
