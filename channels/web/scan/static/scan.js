// Reads a slip's QR or bar code with the camera or from a photograph. The picture never leaves the device.
"use strict";

const place = document.getElementById("scan");
const finder = place.querySelector(".finder"), video = place.querySelector("video");
const start = place.querySelector("[data-start]"), stop = place.querySelector("[data-stop]"), photo = document.getElementById("photo");

const KINDS = ["qr_code", "code_128"];
const EVERY = 150, LONGEST = 60_000; // milliseconds
const LARGE = 1600, SMALL = 800; // pixels of the longer side that are searched

const say = (key) => { document.getElementById("scan-said").textContent = key ? place.dataset[key] : ""; };

// --- reading a picture ---

let reading = null;
const reader = () => (reading ??= browsersOwn().then((own) => own ?? vendored()));

// Only where it knows both kinds: what reads one alone would leave people with the other before a page that seems to work.
async function browsersOwn() {
  if (!("BarcodeDetector" in window)) return null;
  const known = await BarcodeDetector.getSupportedFormats().catch(() => []);
  if (!KINDS.every((kind) => known.includes(kind))) return null;
  const detector = new BarcodeDetector({ formats: KINDS });
  return async (source) => (await detector.detect(source).catch(() => [])).map((code) => code.rawValue);
}

async function vendored() {
  await new Promise((loaded, failed) => {
    const script = document.createElement("script");
    script.src = place.dataset.decoder;
    script.addEventListener("load", loaded);
    script.addEventListener("error", () => { reading = null; failed(new Error("decoder")); });
    document.head.append(script);
  });
  const { BarcodeFormat, BinaryBitmap, DecodeHintType, HTMLCanvasElementLuminanceSource, HybridBinarizer, MultiFormatReader } = window.ZXing;
  const decoder = new MultiFormatReader();
  decoder.setHints(new Map([
    [DecodeHintType.POSSIBLE_FORMATS, [BarcodeFormat.QR_CODE, BarcodeFormat.CODE_128]],
    [DecodeHintType.TRY_HARDER, true],
  ]));
  return async (source, most = SMALL) => {
    try {
      const light = new HTMLCanvasElementLuminanceSource(scaled(source, most));
      return [decoder.decodeWithState(new BinaryBitmap(new HybridBinarizer(light))).getText()];
    } catch { return []; } // it throws where there is nothing
  };
}

const canvas = document.createElement("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });
function scaled(source, most) {
  const width = source.videoWidth || source.width, height = source.videoHeight || source.height;
  const scale = Math.min(1, most / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// --- what a code means ---

// The address of a receipt, if it is one of ours, else a dossier code. Whatever else a code says is not looked at twice.
function meaning(text) {
  text = text.trim();
  try {
    const url = new URL(text);
    if (url.host !== location.host) return {};
    if (url.pathname.startsWith("/r/")) return { path: url.pathname + url.hash };
    return url.pathname === "/tra-cuu" ? meaning(url.searchParams.get("code") || "") : {};
  } catch { /* no address */ }
  return /^[A-Z0-9][A-Z0-9./_-]{5,63}$/i.test(text) && /[.-]/.test(text) && /\d/.test(text) ? { code: text } : {};
}

function understand(texts) {
  for (const { path, code } of texts.map(meaning)) {
    if (path) {
      end("opening");
      location.assign(path);
      return true;
    }
    if (code) {
      end("found");
      const field = document.getElementById("code");
      field.value = code.toUpperCase();
      field.form.querySelector("button").focus();
      return true;
    }
  }
  return false;
}

// --- the camera ---

let stream = null, timer = 0, began = 0;

async function begin() {
  start.disabled = true;
  say("starting");
  try {
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "NotSupportedError");
    const constraints = { audio: false, video: { facingMode: "environment", width: { ideal: 1280 } } };
    const [read, opened] = await Promise.all([reader(), navigator.mediaDevices.getUserMedia(constraints).then((s) => (stream = s))]);
    if (document.hidden) { end(""); return; }
    video.srcObject = opened;
    finder.hidden = stop.hidden = false;
    start.hidden = true;
    await video.play();
    say("looking");
    began = performance.now();
    look(read);
  } catch (error) {
    end({ NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "noCamera", OverconstrainedError: "noCamera",
      NotReadableError: "busy", AbortError: "busy", NotSupportedError: "notPossible" }[error.name] || "noDecoder");
  }
}

async function look(read) {
  const texts = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? await read(video) : [];
  if (!stream || understand(texts)) return;
  if (performance.now() - began > LONGEST) { end("tooLong"); return; }
  say(texts.length ? "notOurs" : "looking");
  timer = setTimeout(look, EVERY, read);
}

function end(key) {
  clearTimeout(timer);
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = video.srcObject = null;
  finder.hidden = stop.hidden = true;
  start.hidden = start.disabled = false;
  say(key);
}

async function readPhoto() {
  const [file] = photo.files;
  if (!file) return;
  end("reading");
  try {
    const read = await reader(), picture = await createImageBitmap(file);
    let texts = [];
    for (const most of [LARGE, SMALL]) if (!texts.length) texts = await read(picture, most);
    if (!understand(texts)) say(texts.length ? "notOurs" : "nothingRead");
  } catch (error) {
    say(error.message === "decoder" ? "noDecoder" : "nothingRead");
  }
  photo.value = "";
}

start.addEventListener("click", begin);
stop.addEventListener("click", () => { end(""); start.focus(); });
photo.addEventListener("change", readPhoto);
document.addEventListener("visibilitychange", () => { if (document.hidden && stream) end(""); });
addEventListener("pagehide", () => end(""));
place.hidden = false;
document.getElementById("cannot").hidden = true;
