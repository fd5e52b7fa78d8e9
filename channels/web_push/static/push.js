// This browser is told of the dossier's changes, if its holder wishes. The section stays hidden where that cannot be.
"use strict";

const place = document.getElementById("push");
const button = place.querySelector("[data-push-button]"), text = place.querySelector("[data-push-text]");
let subscription = null, following = false;

const bytes = (written) => Uint8Array.from(atob(written.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

async function wish(what) {
  const response = await fetch("/web-push", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ wish: what, subscription, ticket: place.dataset.ticket, language: document.documentElement.lang }),
  });
  if (!response.ok) throw new Error(response.status);
  following = (await response.json()).following;
}

function show() {
  button.querySelector("span").textContent = following ? place.dataset.off : place.dataset.on;
  place.hidden = false;
}

// A subscription of an earlier key of ours takes no messages of the present one.
async function subscribed(registration) {
  const options = { userVisibleOnly: true, applicationServerKey: bytes(place.dataset.key) };
  try {
    return await registration.pushManager.subscribe(options);
  } catch (error) {
    const old = error.name === "InvalidStateError" && await registration.pushManager.getSubscription();
    if (!old) throw error;
    await old.unsubscribe();
    return registration.pushManager.subscribe(options);
  }
}

async function change() {
  button.disabled = true;
  try {
    if (following) await wish("stop");
    else if (await Notification.requestPermission() !== "granted") text.textContent = place.dataset.denied;
    else {
      subscription = await subscribed(await navigator.serviceWorker.ready);
      await wish("follow");
    }
  } catch {
    text.textContent = place.dataset.failed;
  }
  button.disabled = false;
  show();
}

async function begin() {
  if (!("PushManager" in window && "Notification" in window && "serviceWorker" in navigator)) return;
  button.addEventListener("click", change);
  subscription = await (await navigator.serviceWorker.ready).pushManager.getSubscription();
  if (subscription) await wish("ask").catch(() => null);
  show();
}

begin();
