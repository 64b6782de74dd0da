// Small comforts; every page works without this file. Texts come from the page, never from here.

// A menu closes when one clicks elsewhere or presses Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelector("[data-way-out]")?.click();
  for (const menu of document.querySelectorAll("details.menu[open], details.confirm[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A filter shows its result as soon as it is changed; without JavaScript there is a button.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

// What is folded on a phone is open where there is room, and wherever the browser finds something to mend in it.
if (window.matchMedia("(width >= 64rem)").matches) {
  for (const fold of document.querySelectorAll("details.group")) fold.open = true;
}
document.addEventListener("invalid", (event) => {
  const fold = event.target.closest("details.group");
  if (fold) fold.open = true;
}, true);

// What can be copied says so where the browser lets a page copy: over plain http it does not.
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.querySelector("[role=status]").textContent = button.dataset.copied;
});

// One click, one submission.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  if (event.submitter?.matches("[data-busy]")) event.submitter.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("[data-busy]")) button.removeAttribute("aria-busy");
});

// A part that is replaced keeps the place of who goes through it by keyboard: the same link, else the same step of the way.
// htmx itself finds again only what has an id.
// In a block: names of its own, beside those of the pages' other scripts.
{
  const WAY_STOPS = "a[href], button, select, summary";
  let stop = null;
  document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
    const at = document.activeElement;
    stop = target.contains(at) && !at.id
      ? { part: target.id, href: at.getAttribute("href"), nth: [...target.querySelectorAll(WAY_STOPS)].indexOf(at) }
      : null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    const part = stop && document.activeElement === document.body && document.getElementById(stop.part);
    if (!part) return;
    const all = [...part.querySelectorAll(WAY_STOPS)];
    const same = stop.href && all.find((one) => one.getAttribute("href") === stop.href);
    (same || all[stop.nth])?.focus({ preventScroll: true });
  });
}

// What carries data-live asks for its news while the page is visible. The version it shows goes along as If-None-Match, so
// that no news is a 304 without a body. It asks for one thing at a time and waits longer while the server does not answer.
// What is on every page, the bell, asks slowly, and at once when somebody comes back to the page.
const PAUSE = 1000;
const SLOW_PAUSE = 15000;
const LONGEST_PAUSE = 30000;
const QUICK = "[data-live]:not([data-live-slowly])";
let pause = PAUSE;

function ask(whom) {
  if (document.visibilityState !== "visible") return;
  for (const live of document.querySelectorAll(whom)) window.htmx.trigger(live, "news");
}
function askForNews() {
  ask(QUICK);
  setTimeout(askForNews, pause);
}
if (document.querySelector(QUICK)) setTimeout(askForNews, PAUSE);
setInterval(ask, SLOW_PAUSE, "[data-live-slowly]");
document.addEventListener("visibilitychange", () => ask("[data-live-slowly]"));

document.addEventListener("htmx:configRequest", (event) => {
  const version = event.detail.elt.dataset.live;
  if (version) event.detail.headers["If-None-Match"] = version;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.elt.matches(QUICK)) return;
  const answered = event.detail.xhr.status > 0 && event.detail.xhr.status < 500;
  pause = answered ? PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
});
