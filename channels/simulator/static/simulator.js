// The phone's screen follows what arrives. Without this the page shows the same when it is loaded again.
"use strict";

const screen_ = () => document.getElementById("screen");
const toTheEnd = () => { screen_().scrollTop = screen_().scrollHeight; };

async function refresh() {
  const response = await fetch("/gia-lap", { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response || !response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const opened = [...screen_().querySelectorAll("details")].map((details) => details.open);
  for (const id of ["screen", "bill"]) document.getElementById(id).innerHTML = page.getElementById(id).innerHTML;
  screen_().querySelectorAll("details").forEach((details, place) => { details.open = Boolean(opened[place]); });
  toTheEnd();
}

// Sending keeps the page, so that the next text can be typed at once.
for (const form of document.querySelectorAll("form[action='/gia-lap']")) {
  form.addEventListener("submit", async (event) => {
    if (form.dataset.plain) return;
    event.preventDefault();
    const said = new URLSearchParams(new FormData(form, event.submitter));
    const response = await fetch("/gia-lap", { method: "POST", body: said }).catch(() => null);
    if (!response || !response.ok) {
      form.dataset.plain = "yes"; // let the browser show what went wrong
      form.requestSubmit(event.submitter);
      return;
    }
    form.reset();
    refresh();
  });
}

new EventSource(screen_().dataset.live).addEventListener("changed", refresh);
toTheEnd();
