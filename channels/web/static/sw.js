// The offline shell: pages come from the network; without one, the last answers that a code alone opened, marked as old.
"use strict";

const FILES = "files", PAGES = "pages", ANSWERS = "answers";
const MOST_ANSWERS = 5;

self.addEventListener("install", (event) => event.waitUntil((async () => {
  const home = await fetch("/");
  const files = [...(await home.clone().text()).matchAll(/"(\/static\/[^"]+)"/g)].map((match) => match[1]);
  await (await caches.open(PAGES)).put("/", home);
  await (await caches.open(FILES)).addAll(files);
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
    const kept = (await caches.match(request)) || (await caches.match("/"));
    if (!kept) throw error;
    return marked(kept);
  }
  if (response.ok && !(response.headers.get("Cache-Control") || "").includes("no-store")) await keep(request, url, response.clone());
  return response;
}

async function keep(request, url, response) {
  if (url.pathname === "/" && !url.search) return (await caches.open(PAGES)).put("/", response);
  if (url.pathname !== "/tra-cuu") return;
  const answers = await caches.open(ANSWERS);
  await answers.delete(request);
  await answers.put(request, response);
  for (const old of (await answers.keys()).slice(0, -MOST_ANSWERS)) await answers.delete(old);
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
  else if (request.mode === "navigate" && (url.pathname === "/" || url.pathname === "/tra-cuu")) event.respondWith(page(request, url));
});
