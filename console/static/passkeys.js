// Passkeys: asks the device, puts its answer into the form, and sends the form. Without this script the page offers none.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function question(given) {
  const options = JSON.parse(given);
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.excludeCredentials, options.allowCredentials])
    for (const one of list || []) one.id = bytes(one.id);
  return { publicKey: options };
}

function answer(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
    if (credential.response[name]) response[name] = text(credential.response[name]);
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

for (const form of document.querySelectorAll("[data-passkey-form]")) {
  if (!window.PublicKeyCredential) continue;
  form.closest("[data-passkey]").hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const failed = form.parentElement.querySelector("[data-passkey-failed]");
    failed.hidden = true;
    try {
      const asked = question(form.dataset.options);
      const how = form.dataset.passkeyForm === "create" ? "create" : "get";
      form.elements.credential.value = answer(await navigator.credentials[how](asked));
    } catch {
      failed.hidden = false;
      return;
    }
    form.submit();
  });
}
