// The page's last picture without a network, and messages while no page is open.
// The server writes `const VERSION = "…";` before this text; it changes with any script, style or icon.
//
// What is kept, and for whom: files of the product, which are the same for everybody; and a person's last plant, wall,
// alert list and the machines and alerts they opened. Each page names its person (X-Person); once another one, or nobody,
// is named, everything kept of the one before is gone. Another factory is another host, which browsers keep apart.

/* global VERSION */

const FILES = `files-${VERSION}`;
const PAGES = "pages";
const WAIT_MS = 6_000;
const KEPT_PAGES = 30;
const ALWAYS = ["/", "/wall", "/alerts"];
const ALSO = /^\/(machines\/.+|alerts\/\d+|wall\/.+)$/;
const PERSON = "X-Person";
const PERSON_ENTRY = "/.person";

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  event.waitUntil(dropOldFiles().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (request.mode === "navigate") event.respondWith(page(event, url));
});

self.addEventListener("message", (event) => {
  if (event.data === "forget") event.waitUntil(forget());
});

/** Somebody has signed out: neither their pages nor their messages are for whoever comes next. */
async function forget() {
  await caches.delete(PAGES);
  const subscription = await self.registration.pushManager?.getSubscription();
  await subscription?.unsubscribe();
}

async function dropOldFiles() {
  for (const name of await caches.keys()) if (name.startsWith("files-") && name !== FILES) await caches.delete(name);
}

/** Files change with the version alone. */
async function file(request) {
  const kept = await caches.open(FILES);
  const found = await kept.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok && answer.status === 200) await kept.put(request, answer.clone());
  return answer;
}

/** The network first; what is kept when it fails, or when it takes too long and there is something kept. */
async function page(event, url) {
  const network = fetch(event.request).then((answer) => {
    event.waitUntil(keep(url, answer.clone()));
    return answer;
  });
  const kept = isKept(url) ? await (await caches.open(PAGES)).match(keyOf(url)) : undefined;
  if (!kept) return network;
  const late = new Promise((resolve) => setTimeout(() => resolve(null), WAIT_MS));
  const first = await Promise.race([network.catch(() => null), late]);
  // A gateway that answers for a server that is away is no network either.
  return first && first.status < 502 ? first : asKept(kept);
}

function isKept(url) {
  return ALWAYS.includes(url.pathname) || ALSO.test(url.pathname);
}

/** One picture of a page, however it was narrowed last. */
function keyOf(url) {
  return new Request(url.origin + url.pathname);
}

async function keep(url, answer) {
  // A page that says nothing of its person (a file, an admin's form) changes nothing.
  const person = answer.headers.get(PERSON);
  if (person === null) return;
  if (person !== (await knownPerson())) await caches.delete(PAGES);
  if (person === "" || !answer.ok || answer.redirected || !isKept(url)) return;
  const kept = await caches.open(PAGES);
  await kept.put(PERSON_ENTRY, new Response(person));
  await kept.delete(keyOf(url));
  await kept.put(keyOf(url), answer);
  const all = (await kept.keys()).filter((entry) => ALSO.test(new URL(entry.url).pathname));
  for (const entry of all.slice(0, Math.max(0, all.length - KEPT_PAGES))) await kept.delete(entry);
}

async function knownPerson() {
  const entry = await (await caches.open(PAGES)).match(PERSON_ENTRY);
  return entry ? entry.text() : null;
}

/** The kept page says that it is one: its clock is that of its making, and it must not claim to be live. */
async function asKept(kept) {
  const text = await kept.text();
  const headers = new Headers(kept.headers);
  headers.delete("Content-Length");
  headers.delete("Content-Encoding");
  return new Response(text.replace("<body ", "<body data-kept "), { status: 200, headers });
}

self.addEventListener("push", (event) => {
  const said = read(event.data);
  if (!said) return;
  event.waitUntil(
    self.registration.showNotification(said.title, {
      body: said.body,
      tag: said.tag,
      renotify: Boolean(said.tag),
      icon: "/static/icons/icon-192.png",
      badge: "/static/icons/badge-96.png",
      requireInteraction: said.severity === "critical",
      data: { url: said.url },
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data?.url ?? "/"));
});

function read(data) {
  try {
    const said = data?.json();
    return said && typeof said.title === "string" ? said : null;
  } catch {
    return null;
  }
}

/** An open page goes there, or a new one; never to another host. */
async function show(wanted) {
  const url = new URL(wanted, location.origin);
  const target = url.origin === location.origin ? url.href : location.origin;
  const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const client of open) {
    if (client.url === target) return client.focus();
  }
  return self.clients.openWindow(target);
}
