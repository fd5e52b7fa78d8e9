/* Một Mã: one field for the dossier code, on any site. <script src="…/widget.js" async></script>
   It keeps nothing, sets no cookie and asks for the code alone; what needs a proof opens on our own site. */
(() => {
  "use strict";
  const WORDS = {};
  const script = document.currentScript;
  if (!script) return; // loaded as a module: there is no telling where to stand
  const home = new URL(script.src).origin;
  const wished = script.dataset.lang || script.closest("[lang]")?.lang || "";
  const lang = /^en\b/i.test(wished) ? "en" : "vi";
  const words = WORDS[lang];

  const make = (tag, given, ...inside) => {
    const element = Object.assign(document.createElement(tag), given);
    element.append(...inside.filter(Boolean));
    return element;
  };
  const whole = (code) => make("span", { className: "whole" }, code);
  const link = (text, href) => make("a", { href: home + href, target: "_blank", rel: "noopener noreferrer" }, text);
  const pageOf = (code) => `/tra-cuu?${new URLSearchParams({ code, ...(lang === "en" && { lang }) })}`;
  const front = () => link(words.open, lang === "en" ? "/?lang=en" : "/");

  const box = make("div", { lang });
  const into = script.dataset.into && document.querySelector(script.dataset.into);
  if (into) into.append(box);
  else if (!document.body) document.addEventListener("DOMContentLoaded", () => document.body.append(box));
  else if (script.parentElement === document.head) document.body.append(box);
  else script.after(box);

  let root, sheet;
  try {
    root = box.attachShadow({ mode: "open" });
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE());
    root.adoptedStyleSheets = [sheet];
  } catch { // an old browser: a link does as well
    (root || box).append(front());
    return;
  }

  const input = make("input", {
    id: "code", name: "code", type: "text", maxLength: 64, required: true, autocomplete: "off", autocapitalize: "characters", spellcheck: false,
    enterKeyHint: "search",
  });
  input.setAttribute("aria-describedby", "hint");
  const button = make("button", { type: "submit" }, words.button);
  const said = make("div", { className: "said" });
  said.setAttribute("role", "status");
  const form = make("form", { noValidate: true },
    make("label", { htmlFor: "code" }, words.label), make("p", { id: "hint", className: "quiet" }, ...words.hint.split(/(\S+-\S+)/).map((part, n) => (n % 2 ? whole(part) : part))),
    make("div", { className: "row" }, input, button));
  form.setAttribute("role", "search");
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(input.value.trim()); });
  root.append(make("section", { className: "motma" }, form, said));

  const tell = (...lines) => said.replaceChildren(...lines.filter(Boolean).map((line) => (line instanceof Element ? line : make("p", {}, line))));
  const see = (code) => make("p", {}, link(words.more, pageOf(code)));

  async function ask(code) {
    if (!code) { tell(words.empty); input.focus(); return; }
    button.disabled = true;
    tell(words.asking);
    try {
      const path = `/api/v1/lookup/${encodeURIComponent(code)}${lang === "en" ? "?lang=en" : ""}`;
      const response = await fetch(home + path, { credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store" });
      if (response.ok) answer(await response.json());
      else if (response.status === 404) tell(words.unknown, see(code));
      else if (response.status === 422) tell(words.unreadable, make("p", {}, front()));
      else tell(words.later, see(code));
    } catch { // this page may not ask us, or there is no network: people may
      tell(words.there, see(code));
    }
    button.disabled = false;
  }

  function answer({ code, stage, stage_label, on_time, agency, next, as_of, fresh }) {
    const running = stage === "received" || stage === "in_progress";
    const timing = on_time ? running && words.on_time : running ? words.late : stage !== "waiting_for_you" && words.finished_late;
    const number = agency.phone.replace(/[^0-9+]/g, "");
    const time = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : "vi-VN",
      { day: "2-digit", month: "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "Asia/Ho_Chi_Minh" }).format(new Date(as_of));
    tell(
      make("p", { className: "head" }, [stage_label, timing].filter(Boolean).join(". ") + "."),
      next,
      make("p", {}, agency.name, agency.phone && ". ", number && make("a", { href: `tel:${number}`, className: "whole" }, agency.phone)),
      make("p", { className: "quiet" }, whole(code), `. ${words.as_of} ${time}.${fresh ? "" : ` ${words.stale}`}`),
      see(code),
    );
  }

  // The colours of the page around; what is ours alone stands out on any of them.
  function STYLE() {
    return `
:host { display: block }
.motma { max-width: 40rem; padding: 1rem; border: 1px solid; border-radius: .5rem; border-color: color-mix(in srgb, currentColor 30%, transparent); line-height: 1.5; text-align: start; overflow-wrap: anywhere }
label { display: block; font-weight: 600 }
p { margin: 0 0 .5rem }
.quiet { font-size: .9em }
.row { display: flex; flex-wrap: wrap; gap: .5rem }
input { flex: 1 1 14rem; min-width: 0; min-height: 3rem; box-sizing: border-box; padding: .5rem .75rem; font: inherit; text-transform: uppercase; color: FieldText; background: Field; border: 2px solid #7d7a72; border-radius: .5rem }
button { flex: none; min-height: 3rem; padding: .5rem 1.25rem; font: inherit; font-weight: 600; color: #fff; background: #0b5d66; border: 2px solid #0b5d66; border-radius: .5rem; cursor: pointer }
button:hover { background: #084850; border-color: #084850 }
button[disabled] { opacity: .6 }
.whole { display: inline-block; max-width: 100% }
a { color: inherit; text-underline-offset: .2em }
:focus-visible { outline: 3px solid; outline-offset: 2px }
.said:not(:empty) { margin-top: 1rem }
.said p:last-child { margin: 0 }
.head { font-size: 1.25em; font-weight: 600 }`;
  }
})();
