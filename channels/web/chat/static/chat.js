// The page follows the talk without being loaded again. Without this, sending loads it with the answer.
"use strict";

const talk = document.getElementById("talk");
const part = (page, id) => page.getElementById(id);
const toTheNewest = () => document.getElementById("newest").scrollIntoView({ block: "end" });

// What is new is added at the end, so that a reader of the screen is told that and nothing else.
function show(page) {
  for (const line of part(page, "talk").children) {
    if (!document.getElementById(line.id)) talk.append(document.adoptNode(line.cloneNode(true)));
  }
  for (const id of ["choices", "waiting"]) document.getElementById(id).innerHTML = part(page, id).innerHTML;
  for (const field of document.querySelectorAll("input[name=id]")) field.value = part(page, "compose").elements.id.value;
  toTheNewest();
}

async function fetched(options) {
  const response = await fetch("/chat", { ...options, headers: { Accept: "text/html" } }).catch(() => null);
  if (!response || !response.ok) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

async function refresh() {
  const page = await fetched({});
  if (page) show(page);
}

// One at a time: the next words need an id of their own, which comes with the answer to these.
let sending = false;
async function send(event) {
  const form = event.target;
  if (form.dataset.plain) return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  talk.setAttribute("aria-busy", "true");
  const said = new URLSearchParams(new FormData(form, event.submitter));
  const page = await fetched({ method: "POST", body: said });
  sending = false;
  talk.removeAttribute("aria-busy");
  if (!page) {
    form.dataset.plain = "yes"; // the browser sends it again, under the same id, and shows what went wrong
    form.requestSubmit(event.submitter);
    return;
  }
  form.reset();
  show(page);
  document.getElementById("text").focus({ preventScroll: true });
}

for (const id of ["compose", "choices"]) document.getElementById(id).addEventListener("submit", send);

let source = null;
function listen() {
  if (source || document.hidden) return;
  source = new EventSource(talk.dataset.live);
  source.addEventListener("changed", refresh);
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { source?.close(); source = null; } else listen();
});
listen();
if (talk.children.length > 1) toTheNewest();
