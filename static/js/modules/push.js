// @ts-check
// Lets this browser show messages while no page is open (Web Push). The service worker that shows them is
// static/service-worker.js; the payload is {title, body, url, tag, severity}.

const PATIENCE_MS = 10_000;

/**
 * @param {string} text base64url of the installation's public key
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function keyBytes(text) {
  const padded = text.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat((4 - (text.length % 4)) % 4);
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

/** The page's worker, or a refusal where none comes up: without https there is none. */
function worker() {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no service worker")), PATIENCE_MS);
    navigator.serviceWorker.ready.then((registration) => {
      clearTimeout(timer);
      resolve(registration);
    }, reject);
  });
}

/** @param {HTMLElement} root with data-key (the public key) and data-url (where subscriptions are kept) */
export function mount(root) {
  const words = /** @type {HTMLElement} */ (root.querySelector("[data-push-words]"));
  const on = /** @type {HTMLButtonElement} */ (root.querySelector("[data-push-on]"));
  const off = /** @type {HTMLButtonElement} */ (root.querySelector("[data-push-off]"));
  const stopping = new AbortController();
  const { signal } = stopping;

  /** @param {"on" | "off" | "denied" | "none" | "failed"} state */
  function show(state) {
    words.textContent = words.dataset[state] ?? "";
    on.hidden = state !== "off" && state !== "failed";
    off.hidden = state !== "on";
    on.disabled = off.disabled = false;
  }

  /**
   * @param {string} method
   * @param {unknown} body
   */
  async function tell(method, body) {
    const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
    const answer = await fetch(root.dataset.url ?? "", {
      method,
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal,
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  }

  async function subscribe() {
    on.disabled = true;
    try {
      if ((await Notification.requestPermission()) !== "granted") return show("denied");
      const registration = await worker();
      const subscription = await registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: keyBytes(root.dataset.key ?? ""),
      });
      await tell("POST", subscription.toJSON());
      show("on");
    } catch (error) {
      if (signal.aborted) return;
      console.warn("push", error);
      show("failed");
    }
  }

  async function leave() {
    off.disabled = true;
    const registration = await worker();
    const subscription = await registration.pushManager.getSubscription();
    if (subscription) {
      await tell("DELETE", { endpoint: subscription.endpoint });
      await subscription.unsubscribe();
    }
    show("off");
  }

  async function look() {
    if (!("serviceWorker" in navigator) || !("PushManager" in window) || !window.isSecureContext) return show("none");
    if (Notification.permission === "denied") return show("denied");
    // Where the worker is not there yet, the button waits for it.
    const registration = await navigator.serviceWorker.getRegistration();
    const subscription = registration ? await registration.pushManager.getSubscription() : null;
    show(subscription ? "on" : "off");
  }

  on.addEventListener("click", () => void subscribe(), { signal });
  off.addEventListener("click", () => void leave(), { signal });
  look().catch(() => show("none"));
  return () => stopping.abort();
}
