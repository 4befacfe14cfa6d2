// Keeps the page up to date, and sends its forms without leaving it. All content is made by the server: what it sends is
// parsed without running anything, and compared with what is there, so that only what differs is touched.
"use strict";

const EVERY = 1000; // milliseconds
const TIMEOUT = 10_000; // milliseconds
let newest = 0; // number of the newest request; answers to older ones are out of date

async function load(resource, options, parts) {
  const number = ++newest;
  const response = await fetch(resource, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!fresh.getElementById("notice")) throw new Error(`unexpected answer ${response.status}`);
  if (number === newest) show(fresh, parts);
  return response.ok;
}

function show(fresh, parts) {
  const row = document.activeElement?.closest("tr[id]");
  for (const part of document.querySelectorAll(parts)) {
    const next = fresh.getElementById(part.id);
    if (next) become(part, next);
  }
  // The pressed button may be gone; the focus then moves to its row, for people who use the keyboard.
  if (row && document.activeElement === document.body) {
    (row.isConnected ? row : document.querySelector("main h2")).focus();
  }
}

function become(old, next) {
  if (old.isEqualNode(next)) return;
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName || old.id !== next.id) {
    old.replaceWith(next);
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = next.nodeValue;
  } else {
    for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of next.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    becomeAll(old, [...next.childNodes]);
  }
}

// Rows with an id stay the same elements however many come in above them: what has the focus, or is being pressed, stays.
function becomeAll(parent, children) {
  const stays = new Set(children.map((it) => it.id).filter(Boolean));
  for (const it of [...parent.childNodes]) if (it.id && !stays.has(it.id)) it.remove();
  let here = parent.firstChild;
  for (const child of children) {
    const isNew = child.id && !document.getElementById(child.id);
    if (here && !isNew) {
      const following = here.nextSibling;
      become(here, child);
      here = following;
    } else {
      parent.insertBefore(child, here);
    }
  }
  while (here) {
    const following = here.nextSibling;
    here.remove();
    here = following;
  }
}

function showConnection(text) {
  const connection = document.getElementById("connection");
  if (connection.textContent !== text) connection.textContent = text;
}

async function refresh() {
  if (!document.hidden) {
    try {
      await load(`/${location.search}`, {}, "[data-live]");
      showConnection("");
    } catch {
      showConnection("The emulator does not answer; this is its last known state.");
    }
  }
  setTimeout(refresh, EVERY);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    if (await load(form.action, { method: "POST", body }, "[data-live], #notice")) form.reset();
  } catch {
    showConnection("The emulator does not answer; the action may not have happened.");
  }
});

setTimeout(refresh, EVERY);
