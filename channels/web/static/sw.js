// The offline shell: pages come from the network; without one, the last answers that a code alone opened, marked as old.
"use strict";

const FILES = "files", PAGES = "pages", ANSWERS = "answers";
const SHELL = ["/", "/kiem-tra"];  // pages that work without a network
const OFFICES = "/kiem-tra/co-quan.json";
const MOST_ANSWERS = 5;

async function store(path) {
  const page = await fetch(path);
  if (!page.ok) return;
  const files = [...(await page.clone().text()).matchAll(/"(\/static\/[^"]+)"/g)].map((match) => match[1]);
  await (await caches.open(PAGES)).put(path, page);
  await (await caches.open(FILES)).addAll([...new Set(files)]);
}

self.addEventListener("install", (event) => event.waitUntil((async () => {
  await Promise.all([...SHELL.map(store), offices(OFFICES).catch(() => null)]);
  await self.skipWaiting();
})()));

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function file(request) {
  return (await caches.match(request)) || fetch(request);
}

async function page(request, url) {
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    const kept = (await caches.match(request)) || (await caches.match(SHELL.includes(url.pathname) ? url.pathname : "/"));
    if (!kept) throw error;
    return marked(kept);
  }
  if (response.ok && !(response.headers.get("Cache-Control") || "").includes("no-store")) await keep(request, url, response.clone());
  return response;
}

async function keep(request, url, response) {
  if (SHELL.includes(url.pathname) && !url.search) return (await caches.open(PAGES)).put(url.pathname, response);
  if (url.pathname !== "/tra-cuu") return;
  const answers = await caches.open(ANSWERS);
  await answers.delete(request);
  await answers.put(request, response);
  for (const old of (await answers.keys()).slice(0, -MOST_ANSWERS)) await answers.delete(old);
}

async function offices(request) {
  try {
    const response = await fetch(request);
    if (response.ok) await (await caches.open(PAGES)).put(OFFICES, response.clone());
    return response;
  } catch (error) {
    return (await caches.match(OFFICES)) || Promise.reject(error);
  }
}

async function marked(response) {
  const headers = new Headers(response.headers);
  headers.delete("Content-Encoding");
  headers.delete("Content-Length");
  return new Response((await response.text()).replace("<body ", "<body data-offline "), { headers });
}

self.addEventListener("fetch", (event) => {
  const { request } = event, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (url.pathname === OFFICES) event.respondWith(offices(request));
  else if (request.mode === "navigate" && [...SHELL, "/tra-cuu"].includes(url.pathname)) event.respondWith(page(request, url));
});

// A notice is shown as it came; one of the same dossier takes the place of an older one.
self.addEventListener("push", (event) => {
  const { title, body, tag, lang, code, stop } = event.data.json();
  const actions = code ? [{ action: "stop", title: stop }] : [];
  event.waitUntil(self.registration.showNotification(title, { body, tag, lang, renotify: true, data: { code }, actions }));
});

async function stopped(code) {
  const subscription = await self.registration.pushManager.getSubscription();
  if (!subscription) return;
  const headers = { "Content-Type": "application/json" };
  await fetch("/web-push", { method: "POST", headers, body: JSON.stringify({ wish: "stop", subscription, code }) });
}

self.addEventListener("notificationclick", (event) => {
  const { code } = event.notification.data;
  event.notification.close();
  event.waitUntil(event.action === "stop" ? stopped(code) : self.clients.openWindow(code ? `/tra-cuu?code=${encodeURIComponent(code)}` : "/"));
});
