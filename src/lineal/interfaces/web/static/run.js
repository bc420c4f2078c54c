// A run's charts and its log while it grows.
import { colours, decimated, draw, lines, ready, tools, series } from "./charts.js";

const figures = [...document.querySelectorAll("[data-series]")];
const known = new Map();

function show(figure, state) {
  const found = known.get(figure);
  if (!found?.length) return;
  const token = colours([figure.dataset.run])[figure.dataset.run];
  const named = found.map((each, rank) => ({ ...each, name: found.length > 1 ? `rank ${rank}` : figure.dataset.label, token: found.length > 1 ? `series-${(rank % 8) + 1}` : token }));
  draw(figure.querySelector(".plot"), () => lines(named, state));
  figure.querySelector("[data-decimated]").textContent = decimated(found);
}

const state = tools((now) => figures.forEach((figure) => show(figure, now)));

async function load(figure) {
  known.set(figure, await series(figure.dataset.run, figure.dataset.label));
  show(figure, state());
}

if (figures.length) {
  await ready();
  const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    seen.unobserve(entry.target);
    load(entry.target);
  }), { rootMargin: "300px" });
  figures.forEach((figure) => seen.observe(figure));
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
  figures.filter((figure) => known.has(figure)).forEach(load);
  if (!live() && log?.dataset.running !== undefined) {
    delete log.dataset.running;
    grow();
  }
});
