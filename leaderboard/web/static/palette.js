// The palette: Ctrl-K (⌘-K) or the button with the glass opens it. All that it shows comes from the server, texts too; without this
// file the button leads to /search. The pattern: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/
const opener = document.querySelector("[data-palette]");
const PAUSE = 150;
let palette;

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

class Palette {
  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("[role=combobox]");
    this.found = dialog.querySelector("#palette-found");
    this.said = dialog.querySelector("[role=status]");
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    dialog.querySelector(".palette-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => this.forget());
    dialog.querySelector("[name=back]").value = location.pathname;
  }

  open() {
    this.input.value = "";
    this.typed();
    this.dialog.showModal();
    this.input.focus();
  }

  forget() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.found.replaceChildren();
    this.said.textContent = "";
  }

  options() {
    return [...this.dialog.querySelectorAll("[role=option]")].filter((one) => !one.hidden);
  }

  typed() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.said.textContent = "";
    const question = this.input.value.trim();
    if (question) this.timer = setTimeout(() => this.ask(question), PAUSE);
    else this.found.replaceChildren();
    this.narrow();
  }

  // What is there already stays as long as it has all the words.
  narrow() {
    const words = fold(this.input.value).split(/\s+/);
    for (const one of this.dialog.querySelectorAll("[role=option]")) {
      const text = fold(one.textContent);
      one.hidden = !words.every((word) => text.includes(word));
    }
    for (const group of this.dialog.querySelectorAll(".palette-group")) {
      group.hidden = !group.querySelector("[role=option]:not([hidden])");
    }
    this.choose(this.options()[0]);
  }

  async ask(question) {
    this.asking = new AbortController();
    try {
      const address = `${this.dialog.dataset.found}?q=${encodeURIComponent(question)}`;
      const answer = await fetch(address, { signal: this.asking.signal });
      if (answer.redirected) return location.reload(); // signed out meanwhile
      if (!answer.ok) return;
      this.found.innerHTML = await answer.text();
      this.said.textContent = this.found.querySelector("[data-said]").dataset.said;
      if (!this.moved) this.choose(this.options()[0]);
    } catch (error) {
      if (error.name !== "AbortError") this.dialog.querySelector("form").requestSubmit();
    }
  }

  choose(option) {
    this.moved = false;
    this.chosen?.setAttribute("aria-selected", "false");
    this.chosen = option;
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  pressed(event) {
    if (event.isComposing) return; // Enter and arrows belong to the input method then
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const options = this.options();
      event.preventDefault();
      this.choose(options.at((options.indexOf(this.chosen) + step) % options.length));
      this.moved = true;
    } else if (event.key === "Enter" && this.chosen) {
      event.preventDefault(); // with nothing chosen, the form goes to /search
      this.chosen.click();
    }
  }
}

async function fetched() {
  const answer = await fetch(opener.dataset.palette);
  if (!answer.ok || answer.redirected) throw new Error("no palette");
  const style = document.createElement("link");
  Object.assign(style, { rel: "stylesheet", href: opener.dataset.style });
  const styled = new Promise((resolve) => style.addEventListener("load", resolve));
  document.head.append(style);
  const text = await answer.text();
  await styled;
  document.body.insertAdjacentHTML("beforeend", text);
  return new Palette(document.getElementById("palette"));
}

async function toggle() {
  try {
    palette ??= fetched();
    const ready = await palette;
    if (ready.dialog.open) ready.dialog.close();
    else ready.open();
  } catch {
    location.assign(opener.href);
  }
}

if (opener) {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    toggle();
  });
  opener.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab is a new tab
    event.preventDefault();
    toggle();
  });
}
