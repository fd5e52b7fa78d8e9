// The phone's screen follows what arrives. Without this the page shows the same when it is loaded again.
"use strict";

const screen_ = () => document.getElementById("screen");
const toTheEnd = () => { screen_().scrollTop = screen_().scrollHeight; };

async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response || !response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const opened = [...screen_().querySelectorAll("details")].map((details) => details.open);
  for (const id of ["screen", "provider", "bill"]) document.getElementById(id).innerHTML = page.getElementById(id).innerHTML;
  screen_().querySelectorAll("details").forEach((details, place) => { details.open = Boolean(opened[place]); });
  toTheEnd();
}

// Sending keeps the page, so that the next text can be typed at once.
document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  if (form.dataset.plain || form.classList.contains("choosing")) return;
  event.preventDefault();
  const said = new URLSearchParams(new FormData(form, button));
  const response = await fetch(form.getAttribute("action"), { method: "POST", body: said }).catch(() => null);
  if (!response || !response.ok) {
    form.dataset.plain = "yes"; // let the browser show what went wrong
    form.requestSubmit(button);
    return;
  }
  if (form.getAttribute("action").endsWith("/may")) { location.reload(); return; } // another person: the whole page
  form.reset();
  refresh();
});

new EventSource(screen_().dataset.live).addEventListener("changed", refresh);
toTheEnd();
