// Node-RED as it is run in production: no editor, quiet, everything in memory.
module.exports = {
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.PEER_PORT),
  httpAdminRoot: false,
  httpNodeRoot: "/",
  userDir: process.env.PEER_HOME,
  flowFile: "flows.json",
  credentialSecret: false,
  functionGlobalContext: { plan: JSON.parse(process.env.PEER_PLAN) },
  contextStorage: { default: { module: "memory" } },
  diagnostics: { enabled: false },
  runtimeState: { enabled: false },
  externalModules: { palette: { allowInstall: false }, modules: { allowInstall: false } },
  logging: { console: { level: "warn", metrics: false, audit: false } },
};
