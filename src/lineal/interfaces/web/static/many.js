// The charts of every run that matches.
import { ready } from "./charts.js";
import { Plots } from "./plots.js";

const place = document.querySelector("[data-charts]");
const said = document.querySelector("[data-charts-said]");

async function load() {
  const answer = await fetch(place.dataset.charts).catch(() => null);
  const found = await answer?.json().catch(() => null);
  if (!answer?.ok || !found) {
    said.textContent = found?.detail ?? "The runs could not be loaded.";
    return;
  }
  await ready();
  said.textContent = found.total > found.runs.length ? `The newest ${found.runs.length.toLocaleString("en")} of ${found.total.toLocaleString("en")} runs are drawn.` : "";
  if (found.left_out) said.textContent += ` ${found.left_out} further parameters and metrics are not offered.`;
  new Plots(found).draw();
}

if (place) load();
