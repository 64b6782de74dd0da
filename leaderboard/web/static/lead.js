// The lead's desk by keyboard, with a way back for ten seconds. Everything here also works without it, a page at a time.

const desk = document.getElementById("desk");
const status = document.getElementById("desk-status");
const keys = document.getElementById("keys");
const KEYS_OFF = "extra-mile/desk-keys-off";
const UNDO_SECONDS = Number(desk.dataset.undoSeconds);

const items = () => [...desk.querySelectorAll(".desk-item")];
const waiting = () => items().filter((item) => !("done" in item.dataset));
const here = () => document.activeElement.closest?.(".desk-item");

// --- where one is ---

function go(item) {
  if (!item) return;
  for (const each of items()) each.tabIndex = each === item ? 0 : -1;
  item.focus({ preventScroll: true });
  const box = item.getBoundingClientRect();
  if (box.top < 80 || box.bottom > window.innerHeight - 90) item.scrollIntoView({ block: "start" });
}

function step(by) {
  const all = waiting();
  const at = here();
  if (!at) return go(all[0]);
  // From one that is done: the neighbours are those before and after it on the page.
  const before = all.filter((item) => item.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING);
  go(by > 0 ? all[before.length + (at === all[before.length] ? 1 : 0)] : before.at(-1));
}

function progress() {
  const all = items().length;
  const done = all - waiting().length;
  const line = document.getElementById("desk-progress");
  line.hidden = done === 0; // how much waits stands in the heading
  Object.assign(line.querySelector("progress"), { value: done, max: all || 1 });
  line.lastElementChild.textContent = desk.dataset.progress.replace("{done}", done).replace("{all}", all);
  return line.lastElementChild.textContent;
}

function say(text) {
  status.textContent = text;
}

// --- ten seconds to undo ---

function offerUndo(item) {
  const undo = item.querySelector(".desk-undo");
  if (!undo || "runs" in undo.dataset) return;
  undo.dataset.runs = "";
  let left = UNDO_SECONDS;
  const clock = setInterval(() => {
    if (undo.matches(":hover, :focus-within")) return;
    left -= 1;
    if (left > 0 && undo.isConnected) return;
    undo.hidden = true;
    clearInterval(clock);
  }, 1000);
}

function undoLast() {
  const offered = [...desk.querySelectorAll(".desk-undo:not([hidden]) button")];
  const last = offered.sort((a, b) => a.closest(".desk-item").dataset.done - b.closest(".desk-item").dataset.done).at(-1);
  last?.click();
}

// --- keys ---

function act(item, key) {
  const control = item?.querySelector(`[data-key~="${key}"]`);
  if (!control) return;
  if (control.tagName !== "SUMMARY") return control.click();
  const details = control.parentElement;
  details.open = key !== "o" || !details.open;
  if (details.open) details.querySelector("input:not([type=hidden]), textarea")?.focus();
}

const ACTS = {
  j: () => step(1),
  k: () => step(-1),
  u: undoLast,
  "?": () => keys.showModal(),
};

const areOn = () => localStorage.getItem(KEYS_OFF) === null;

document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && at.matches?.("#desk textarea")) {
    at.form.requestSubmit();
    return;
  }
  if (!areOn() || event.defaultPrevented || event.isComposing || event.repeat) return;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (at.closest("input, textarea, select, [contenteditable]")) return;
  if (at !== document.body && at.id !== "content" && !desk.contains(at)) return;
  const item = here();
  if (event.key in ACTS) ACTS[event.key]();
  else if (event.key === "Enter" && at === item) act(item, "o");
  else if (["a", "d", "o"].includes(event.key)) item ? act(item, event.key) : step(1);
  else return;
  event.preventDefault();
});

const open = document.getElementById("keys-open");
const on = document.getElementById("keys-on");
open.hidden = false;
open.addEventListener("click", () => keys.showModal());
on.checked = areOn();
on.addEventListener("change", () => {
  if (on.checked) localStorage.removeItem(KEYS_OFF);
  else localStorage.setItem(KEYS_OFF, "yes");
});

// --- words to begin with ---

desk.addEventListener("change", (event) => {
  const fills = event.target.closest("[data-fills]")?.dataset.fills;
  if (fills) document.getElementById(fills).value = event.target.value;
});

// --- after something was done in its place ---

let count = 0;

function settle(key) {
  const item = document.getElementById(key);
  const said = [...(item?.querySelectorAll(".desk-said, .notice p") ?? [])].map((each) => each.textContent.trim());
  const done = item && "done" in item.dataset;
  if (done) {
    item.dataset.done = ++count;
    offerUndo(item);
  }
  said.push(progress());
  say(said.join(" "));
  if (!item || !done) return go(item ?? waiting()[0]);
  const all = waiting();
  const after = all.find((each) => item.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
  go(after ?? all.at(-1) ?? item);
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const item = event.detail.elt.closest(".desk-item");
  if (item) event.detail.xhr.deskItem = item.id;
});
document.addEventListener("htmx:afterSettle", (event) => {
  const key = event.detail.xhr?.deskItem;
  if (key && event.detail.elt.id === key) settle(key);
});
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, (event) => {
    const item = event.detail.elt.closest(".desk-item");
    if (!item) return;
    let note = item.querySelector(".desk-failed");
    if (!note) {
      note = document.createElement("p");
      note.className = "field-error desk-failed";
      item.append(note);
    }
    note.textContent = desk.dataset.failed;
    say(desk.dataset.failed);
    item.focus();
  });
}

for (const item of items()) {
  if ("done" in item.dataset) {
    item.dataset.done = ++count;
    offerUndo(item);
  }
}
progress();
const first = waiting()[0];
if (first) first.tabIndex = 0;
