// Telling a story with a keyboard and without losing a word. Everything here also works without it, as steps of the form.

const KEPT = ["guideline", "story", "customer", "happened_on", "draft"];

function keyOf(person) {
  return `extra-mile/draft/${person}`;
}

// A story that was told needs its draft no more.
const told = document.querySelector("[data-told]");
if (told) localStorage.removeItem(keyOf(told.dataset.told));

const form = document.getElementById("nominate");
if (form) {
  document.documentElement.classList.add("has-script");
  const chosen = document.getElementById("chosen");
  const found = document.getElementById("found");
  const search = document.getElementById("q");
  document.getElementById("find").classList.add("without-script");

  // --- colleagues: type, arrow down, Enter ---

  const ticks = () => [...found.querySelectorAll("input")];
  const uids = () => [...chosen.querySelectorAll("input:checked")].map((tick) => tick.value);

  function choose(person) {
    if (uids().includes(person.uid)) return;
    const item = document.getElementById("chip").content.cloneNode(true);
    const tick = item.querySelector("input");
    const avatar = item.querySelector(".avatar");
    tick.value = person.uid;
    Object.assign(tick.dataset, { name: person.name, initials: person.initials, tint: person.tint });
    avatar.textContent = person.initials;
    avatar.classList.add(`tint-${Number(person.tint)}`);
    item.querySelector(".chip-name").textContent = person.name;
    chosen.append(item);
  }

  function pick(tick) {
    choose({ uid: tick.value, ...tick.dataset });
    found.replaceChildren();
    search.value = "";
    search.focus();
    changed();
  }

  found.addEventListener("change", (event) => pick(event.target));
  chosen.addEventListener("change", (event) => {
    event.target.closest("li").remove();
    search.focus();
    changed();
  });
  // Who types faster than the scripts come is found as well.
  document.addEventListener("DOMContentLoaded", () => {
    if (search.value.trim() && !ticks().length) window.htmx.trigger(search, "seek");
  });
  search.addEventListener("keydown", (event) => {
    const [first] = ticks();
    if (event.key === "Enter") {
      event.preventDefault(); // Enter picks a colleague; it does not send the form
      if (first) pick(first);
    } else if (event.key === "ArrowDown" && first) {
      event.preventDefault();
      first.focus();
    } else if (event.key === "Backspace" && !search.value) {
      chosen.querySelector("li:last-child")?.remove();
      changed();
    }
  });
  found.addEventListener("keydown", (event) => {
    const all = ticks();
    const at = all.indexOf(event.target);
    if (event.key === "ArrowDown") all[Math.min(at + 1, all.length - 1)].focus();
    else if (event.key === "ArrowUp") (all[at - 1] ?? search).focus();
    else if (event.key === "Escape") search.focus();
    else if (event.key === "Enter") pick(event.target);
    else return;
    event.preventDefault();
  });
  found.addEventListener("htmx:afterSwap", () => {
    const known = uids();
    for (const tick of ticks()) if (known.includes(tick.value)) tick.closest("li").remove();
  });

  // --- how long it is, and what it will earn ---

  const story = form.elements.story;
  const count = document.getElementById("story-count");
  const meter = document.getElementById("story-meter");
  meter.parentElement.hidden = false;
  const written = new Intl.NumberFormat(document.documentElement.lang);

  function measure() {
    const length = [...story.value.trim()].length;
    count.textContent = `${written.format(length)} / ${written.format(story.dataset.most)}`;
    meter.value = Math.min(length, Number(story.dataset.least));
  }

  let asking;
  function changed() {
    measure();
    keep();
    clearTimeout(asking);
    asking = setTimeout(() => window.htmx.trigger("#worth", "worth"), 500);
  }
  form.addEventListener("input", (event) => {
    if (event.target !== search) changed();
  });

  // --- the draft, on this device ---

  const key = keyOf(form.dataset.draft);
  const isNew = !form.elements.of;

  function keep() {
    if (!isNew) return;
    const draft = Object.fromEntries(KEPT.map((name) => [name, form.elements[name].value]));
    draft.nominees = [...chosen.querySelectorAll("input:checked")].map((tick) => ({
      uid: tick.value,
      name: tick.dataset.name ?? tick.closest("label").lastElementChild.textContent,
      initials: tick.dataset.initials ?? tick.closest("label").querySelector(".avatar").textContent,
      tint: tick.dataset.tint ?? "0",
    }));
    const written = draft.story.trim() || draft.customer || draft.guideline || draft.nominees.length;
    if (written) localStorage.setItem(key, JSON.stringify(draft));
    else localStorage.removeItem(key);
  }

  function restore() {
    let draft;
    try {
      draft = JSON.parse(localStorage.getItem(key));
    } catch {
      localStorage.removeItem(key);
    }
    if (!draft || typeof draft !== "object") return;
    for (const name of KEPT) {
      if (typeof draft[name] === "string" && draft[name]) form.elements[name].value = draft[name];
    }
    const more = form.elements.customer.closest("details");
    more.open = Boolean(form.elements.customer.value || form.elements.happened_on.value);
    for (const person of Array.isArray(draft.nominees) ? draft.nominees : []) choose(person);
    document.getElementById("draft-note").hidden = false;
    window.htmx.trigger("#worth", "worth");
  }

  document.getElementById("draft-drop").addEventListener("click", () => {
    localStorage.removeItem(key);
    location.assign(form.action);
  });
  if (isNew && "fresh" in form.dataset) restore();
  else keep();
  measure();
}
