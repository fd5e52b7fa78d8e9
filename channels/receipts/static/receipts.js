// Tells genuine slips from forged ones in the browser itself, with the keys that came with the page; lookup/receipt_tokens.py
// describes the bytes. What cannot be decided here is sent to the service, as it is without scripts.
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SYMBOLS = "\u00000123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.-/";
const UNUSED_BITS = { 0: 0, 2: 2, 4: 4, 5: 1, 7: 3 };
const TOKEN = /(?:^|\/[rR]\/|#)([A-Za-z2-7]{16,512})(?:\/in)?\/?$/;
const SIGNED = 1, FOR_CHAT = 2, SPECIMEN = 1, UNPACKED = 2;
const HEAD = 6, DAYS = 4, SIGNATURE = 64;
const FACTS = ["office", "code", "received", "due", "issued"];

function bytesOf(token) {
  const text = token === token.toLowerCase() ? token.toUpperCase() : token;
  const unused = UNUSED_BITS[text.length % 8], bytes = [];
  if (unused === undefined) return null;
  let bits = 0, held = 0;
  for (const character of text) {
    const value = BASE32.indexOf(character);
    if (value < 0) return null;
    bits = (bits << 5) | value;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes.push((bits >> held) & 255);
      bits &= (1 << held) - 1;
    }
  }
  return bits === 0 && held === unused ? Uint8Array.from(bytes) : null;
}

function unpacked(bytes) {
  let text = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const three = bytes[at] * 256 + bytes[at + 1];
    for (const digit of [Math.floor(three / 1600), Math.floor(three / 40) % 40, three % 40]) text += SYMBOLS[digit] ?? "\ufffd";
  }
  return text.replace(/\0+$/, "");
}

function told(body) {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength), flags = body[0] & 15;
  const text = body.subarray(HEAD + DAYS);
  const [code, office] = (flags & UNPACKED ? new TextDecoder().decode(text) : unpacked(text)).split("\0");
  return {
    verdict: flags & SPECIMEN ? "specimen" : "genuine",
    code,
    office: office || code.split("-")[0],
    received: day(view.getUint16(HEAD)),
    due: day(view.getUint16(HEAD + 2)),
    issued: moment(Date.UTC(2020, 0, 1) + view.getUint32(2) * 1000),
  };
}

const two = (number) => String(number).padStart(2, "0");

function day(number) {
  if (!number) return "";
  const date = new Date(Date.UTC(2000, 0, 1 + number));
  return `${two(date.getUTCDate())}/${two(date.getUTCMonth() + 1)}/${date.getUTCFullYear()}`;
}

// Vietnam is seven hours ahead of UTC all year round.
function moment(time) {
  const local = new Date(time + 7 * 3600 * 1000);
  const clock = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}`;
  if (document.documentElement.lang === "vi") return `${clock}, ${two(local.getUTCDate())}/${two(local.getUTCMonth() + 1)}/${local.getUTCFullYear()}`;
  return `${clock}, ${new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(local)}`;
}

async function signedBy(key, signature, body, verifier) {
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, signature, body);
  } catch {
    const { verifyAsync } = await import(verifier);
    return verifyAsync(signature, body, key, { zip215: false });
  }
}

async function check(pasted, { keys, verifier }) {
  const token = TOKEN.exec(pasted.trim())?.[1];
  if (!token) return { verdict: "unreadable" };
  const bytes = bytesOf(token), form = bytes && bytes[0] >> 4;
  if (form === FOR_CHAT) return { verdict: "elsewhere" };  // only the service can check it
  if (form !== SIGNED || bytes.length < HEAD + DAYS + SIGNATURE || bytes[0] & ~(16 | SPECIMEN | UNPACKED)) return { verdict: "forged" };
  const body = bytes.subarray(0, -SIGNATURE), signature = bytes.subarray(-SIGNATURE);
  for (const hex of keys.split(" ")) {
    const key = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
    if (await signedBy(key, signature, body, verifier)) return { ...told(body), token };
  }
  return { verdict: "forged" };
}

async function officeName(code, offices) {
  const names = await fetch(offices).then((response) => response.json()).catch(() => ({}));
  const [name, english] = names[code] || [];
  const shown = document.documentElement.lang === "en" && english ? english : name;
  return shown ? `${shown} (${code})` : code;
}

async function show(place, form, pasted) {
  const result = await check(pasted, place.dataset).catch(() => ({ verdict: "elsewhere" }));
  if (result.verdict === "elsewhere") {
    form.elements.receipt.value = pasted;
    return form.submit();
  }
  for (const section of place.querySelectorAll("[data-verdict]")) section.hidden = true;
  const section = place.querySelector(`[data-verdict="${result.verdict}"]`);
  if (result.office) result.office = await officeName(result.office, place.dataset.offices);
  for (const name of FACTS) {
    const fact = section.querySelector(`[data-fact="${name}"]`);
    if (!fact) continue;
    fact.querySelector("dd").textContent = result[name];
    fact.hidden = !result[name];
  }
  section.querySelector("[data-open]")?.setAttribute("href", `/r/${result.token}`);
  section.hidden = false;
  section.scrollIntoView({ block: "nearest" });
}

const place = document.querySelector("[data-check]");
if (place) {
  const form = place.querySelector("form");
  const fromFragment = () => { if (location.hash.length > 1) show(place, form, location.hash); };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(place, form, form.elements.receipt.value);
  });
  // Hand-held scanners type what they read and end with Enter.
  form.elements.receipt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    form.requestSubmit();
  });
  addEventListener("hashchange", fromFragment);
  fromFragment();
}

const print = document.querySelector("[data-print-slip]");
if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
