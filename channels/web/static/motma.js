// What scripts add to the pages: copying, printing, live news, the last answer. Every page is whole without them.
"use strict";

const KEPT = "motma.last";
const answer = () => document.getElementById("answer");

function recall() {
  try { return JSON.parse(localStorage.getItem(KEPT)); } catch { return null; }
}

// Only what a code alone may show is remembered, never what a proof opened.
function remember() {
  const { code, headline, asOf, here, proven } = answer().dataset;
  if (proven !== undefined) return;
  try { localStorage.setItem(KEPT, JSON.stringify({ code, headline, asOf, here })); } catch { /* storage is off: nothing is remembered */ }
}

function showLast() {
  const place = document.querySelector("[data-last]"), last = recall();
  if (!place || !last || !String(last.here).startsWith("/tra-cuu?")) return;
  place.querySelector("[data-last-headline]").textContent = last.headline;
  place.querySelector("[data-last-as-of]").textContent = `${last.code}. ${last.asOf}`;
  place.querySelector("[data-last-open]").setAttribute("href", last.here);
  place.hidden = false;
  place.querySelector("[data-last-forget]").addEventListener("click", async () => {
    localStorage.removeItem(KEPT);
    if ("caches" in window) await caches.delete("answers");
    place.hidden = true;
  });
}

function offerButtons() {
  const print = document.querySelector("[data-print]"), copy = document.querySelector("[data-copy]");
  if (print) { print.hidden = false; print.addEventListener("click", () => window.print()); }
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      const label = copy.querySelector("[data-copied]"), before = label.textContent;
      await navigator.clipboard.writeText(answer().dataset.code);
      label.textContent = label.dataset.copied;
      document.querySelector("[data-said]").textContent = label.dataset.copied;
      setTimeout(() => { label.textContent = before; }, 4000);
    });
  }
}

async function refresh() {
  const response = await fetch(answer().dataset.here, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response || !response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html"), next = page.getElementById("answer");
  if (!next || next.isEqualNode(answer())) return;
  const typed = document.getElementById("proof")?.value, within = document.activeElement?.id;
  answer().replaceWith(document.adoptNode(next));
  document.title = page.title;
  if (typed) document.getElementById("proof").value = typed;
  if (within) document.getElementById(within)?.focus({ preventScroll: true });
  offerButtons();
  remember();
  document.querySelector("[data-said]").textContent = document.querySelector("[data-said]").dataset.said;
}

// The first news after a page was opened is what it shows already. An answer that a proof opened cannot be fetched again
// without the proof, so there the page only says that something changed since.
let seen = 0;
function heard(event) {
  const version = Number(event.data), newer = seen > 0 && version > seen;
  seen = Math.max(seen, version);
  if (answer().dataset.proven === undefined) refresh();
  else if (newer) document.querySelector("[data-changed]").hidden = false;
}

function listen() {
  let source = null;
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(answer().dataset.live);
    source.addEventListener("changed", heard);
  };
  // A page in the background costs the phone nothing; what it missed it is told when it is seen again.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; } else open();
  });
  open();
}

if (answer()) {
  remember();
  offerButtons();
  if (!("offline" in document.body.dataset)) listen();
}
showLast();
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
