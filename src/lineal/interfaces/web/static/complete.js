// The search box completes names and values as one types: a combobox, as ARIA has it.

import { $ } from "./app.js";

const box = $("input.where");
if (box) start();

function start() {
  const base = document.body.dataset.base;
  const list = document.createElement("ul");
  let options = [];
  let at = -1;
  let asked = 0;
  list.className = "options";
  list.id = "options";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "What could come next");
  list.hidden = true;
  box.after(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) box.setAttribute(name, value);

  async function ask() {
    const mine = ++asked;
    const text = box.value.slice(0, box.selectionStart);
    if (!text) return close();
    const answer = await fetch(`${base}/api/v1/complete?${new URLSearchParams({ text })}`).catch(() => null);
    if (!answer?.ok || mine !== asked || document.activeElement !== box) return;
    show((await answer.json()).completions);
  }

  function show(found) {
    options = found;
    at = -1;
    list.replaceChildren(...found.map((each, place) => {
      const item = document.createElement("li");
      const about = document.createElement("span");
      item.id = `option-${place}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      about.className = "dim";
      about.textContent = each.about;
      item.append(each.text, " ", about);
      item.onpointerdown = (event) => { event.preventDefault(); take(place); };
      return item;
    }));
    list.hidden = !found.length;
    list.style.left = `${box.offsetLeft}px`;
    list.style.top = `${box.offsetTop + box.offsetHeight}px`;
    box.setAttribute("aria-expanded", String(!list.hidden));
    box.removeAttribute("aria-activedescendant");
  }

  function close() {
    asked += 1;
    show([]);
  }

  function move(by) {
    at = (at + by + options.length + (at < 0 && by < 0 ? 1 : 0)) % options.length;
    [...list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === at)));
    list.children[at].scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", list.children[at].id);
  }

  function take(place) {
    const { text, start: from } = options[place];
    const end = box.selectionStart;
    box.setRangeText(`${text} `, from, end, "end");
    close();
    ask();
  }

  let later = 0;
  box.addEventListener("input", () => { clearTimeout(later); later = setTimeout(ask, 80); });
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    if (list.hidden) {
      if (event.key === "ArrowDown") { event.preventDefault(); ask(); }
      return;
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Tab" || (event.key === "Enter" && at >= 0)) take(Math.max(at, 0));
    else if (event.key === "Escape") { close(); event.stopPropagation(); }
    else return;
    event.preventDefault();
  });

  // What is wrong is marked where it is.
  const column = Number(box.dataset.column || 0);
  if (column) {
    box.focus();
    box.setSelectionRange(column - 1, Math.max(column, box.value.length));
  }
}
