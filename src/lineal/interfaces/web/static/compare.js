// Runs against one another: a parameter against a metric, all differing parameters at once, series over each other.
import { colours, embedded, ready } from "./charts.js";
import { Plots } from "./plots.js";
import { SeriesFigure, whenSeen } from "./series.js";

const data = embedded("comparison");
const tokens = colours(data.runs.map((run) => run.id));
const many = data.runs.length > 8;
document.querySelectorAll(".swatch[data-run]").forEach((swatch) => { swatch.style.background = `var(--${tokens[swatch.dataset.run]})`; });

const OVERLAID = 24; // runs whose series are drawn over each other

function overlay(place) {
  const key = place.dataset.overlay;
  const has = new Set(data.has[key]);
  const runs = data.runs.filter((run) => has.has(run.id));
  const made = new SeriesFigure(place, runs.slice(0, OVERLAID).map((run) => ({ run: run.id, key, name: run.label, token: tokens[run.id], origin: run.started, alone: false })), 400);
  made.note = runs.length > OVERLAID ? `the first ${OVERLAID} of ${runs.length} runs` : "";
  made.load();
}

await ready();
if (document.querySelector("#scatter")) new Plots(data, many ? null : tokens).draw();
whenSeen(document.querySelectorAll("[data-overlay]"), overlay);
