// A run's charts and its log while it grows.
import { colours, ready } from "./charts.js";
import { SeriesFigure, whenSeen } from "./series.js";

const figures = [...document.querySelectorAll("[data-series]")];
const drawn = new Map();

function sourceOf({ dataset }, token) {
  return { run: dataset.run, key: dataset.label, name: dataset.label, token, origin: Number(dataset.origin), alone: true };
}

function load(place) {
  const made = drawn.get(place) ?? new SeriesFigure(place, [sourceOf(place, colours([place.dataset.run])[place.dataset.run])]);
  drawn.set(place, made);
  return made.load();
}

// Several metrics over each other, chosen by ticking them.
const together = document.querySelector("[data-together]");
const ticks = [...document.querySelectorAll("[data-together-key]")];
function drawTogether() {
  const wanted = ticks.filter((tick) => tick.checked);
  const address = new URL(location.href);
  address.searchParams.delete("together");
  wanted.forEach((tick) => address.searchParams.append("together", tick.value));
  history.replaceState(null, "", address);
  together.hidden = wanted.length < 2;
  if (together.hidden) return;
  const sources = wanted.map((tick, place) => ({ ...sourceOf(figures.find((each) => each.dataset.label === tick.value), `series-${(place % 8) + 1}`), alone: false }));
  const made = drawn.get(together) ?? new SeriesFigure(together, sources);
  made.sources = sources;
  drawn.set(together, made);
  made.load();
}

if (figures.length) {
  await ready();
  whenSeen(figures, load);
  const words = new URLSearchParams(location.search).getAll("together");
  ticks.forEach((tick) => {
    tick.checked = words.includes(tick.value);
    tick.addEventListener("change", drawTogether);
  });
  if (words.length) {
    document.querySelector("[data-together-choice]").open = true;
    drawTogether();
  }
}

const live = () => document.querySelector("[data-live]");

// New output is appended. It scrolls along only for those who are at its end.
const log = document.querySelector("[data-log]");
if (log) log.scrollTop = log.scrollHeight;
async function grow() {
  const answer = await fetch(`${log.dataset.log}?from=${log.dataset.from}`).catch(() => null);
  if (!answer?.ok) return true;
  const bytes = await answer.arrayBuffer();
  if (bytes.byteLength) {
    const along = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    log.append(new TextDecoder().decode(bytes));
    log.dataset.from = Number(log.dataset.from) + bytes.byteLength;
    if (along) log.scrollTop = log.scrollHeight;
  }
  return answer.headers.get("x-run-status") === "running";
}

async function follow() {
  const running = await grow();
  if (running) setTimeout(follow, 2000);
}
if (log?.dataset.running !== undefined) setTimeout(follow, 1000);

document.addEventListener("htmx:afterSwap", () => {
  drawn.forEach((made) => made.load());
  if (!live() && log?.dataset.running !== undefined) {
    delete log.dataset.running;
    grow();
  }
});

// Images of a series, one step at a time.
document.querySelectorAll("[data-steps]").forEach((figure) => {
  const steps = [...figure.querySelectorAll("li[data-at]")];
  figure.querySelector("input").addEventListener("input", (event) => {
    const { dataset, firstElementChild: link } = steps[Number(event.target.value)];
    figure.querySelector("img").src = link.dataset.image;
    figure.querySelector("img").alt = `${figure.querySelector("[data-name]").textContent}, step ${dataset.at}`;
    figure.querySelector("a").href = link.href;
    figure.querySelector("[data-step]").textContent = `step ${dataset.at}`;
  });
});

// The note: shown as it reads, edited as it was written, tried before it is kept.
const note = document.querySelector("[data-note-form]");
const text = note.querySelector("textarea");
const attempt = note.querySelector("[data-note-preview]");
const shown = document.querySelector("[data-note]");
const edit = document.querySelector("[data-note-edit]");
const trying = note.querySelector("[data-note-try]");

async function render(place) {
  const answer = await fetch(note.dataset.noteForm, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ note: text.value }) }).catch(() => null);
  if (answer?.ok) place.innerHTML = (await answer.json()).html; // made by the server, which lets no HTML of anybody's through
  else place.textContent = text.value;
}

function tried(on) {
  attempt.hidden = !on;
  text.hidden = on;
  trying.setAttribute("aria-pressed", String(on));
  trying.textContent = on ? "Write" : "Preview";
}

function editing(on) {
  tried(false);
  note.hidden = !on;
  shown.hidden = on;
  edit.hidden = on;
  if (on) text.focus();
}

edit.addEventListener("click", () => editing(true));
trying.addEventListener("click", async () => {
  if (attempt.hidden) await render(attempt);
  tried(attempt.hidden);
});
note.querySelector("[data-note-cancel]").addEventListener("click", () => {
  text.value = text.defaultValue;
  editing(false);
});
note.addEventListener("lineal:saved", async () => {
  text.defaultValue = text.value;
  note.querySelector("[data-note-cancel]").hidden = !text.value;
  if (!text.value) return;
  await render(shown);
  editing(false);
});

// What it is likely to be compared with is looked for when the menu is opened.
const others = document.querySelector("[data-others]");
others.closest("details").addEventListener("toggle", async () => {
  const answer = await fetch(others.dataset.others).catch(() => null);
  if (answer?.ok) others.innerHTML = await answer.text();
}, { once: true });
