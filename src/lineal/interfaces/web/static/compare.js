// Runs against one another: a parameter against a metric, all differing parameters at once, series over each other.
import { axis, colour, colours, draw, embedded, figure, number, ready, theme, tooltip } from "./charts.js";
import { SeriesFigure, whenSeen } from "./series.js";

const data = embedded("comparison");
const tokens = colours(data.runs.map((run) => run.id));
const many = data.runs.length > 8;
document.querySelectorAll(".swatch[data-run]").forEach((swatch) => { swatch.style.background = `var(--${tokens[swatch.dataset.run]})`; });

const words = new URLSearchParams(location.search);
const params = Object.keys(data.params);
const metrics = Object.keys(data.metrics);
const summaries = [...data.summaries.filter((key) => data.directions[key]), ...data.summaries, ...metrics];

function choose(select, options, wanted) {
  options.forEach((name) => select.add(new Option(name, name)));
  select.value = options.includes(wanted) ? wanted : options[0] ?? "";
}

const charted = document.querySelector("#scatter");
const x = document.querySelector("[data-axis='x']");
const y = document.querySelector("[data-axis='y']");
if (charted) {
  choose(x, params, words.get("x"));
  choose(y, metrics, words.get("y") || summaries[0]);
  x.addEventListener("change", remember);
  y.addEventListener("change", remember);
}

const isNumeric = (values) => values.filter((value) => value !== null).every((value) => typeof value === "number");
const text = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

function scatter() {
  const place = document.querySelector("#scatter .plot");
  if (!x.value || !y.value) return;
  const values = data.params[x.value];
  const numeric = isNumeric(values);
  draw(place, () => ({
    grid: { left: 64, right: 24, top: 16, bottom: 44 },
    xAxis: axis(x.value, numeric ? { type: "value", scale: true } : { type: "category", data: [...new Set(values.map(text))] }),
    yAxis: axis(y.value, { type: "value", scale: true, nameGap: 46, axisLabel: { color: theme().dim, fontSize: 11, formatter: number } }),
    tooltip: tooltip({ trigger: "item", formatter: (mark) => `${data.runs[mark.value[2]].label}\n${x.value}  ${text(values[mark.value[2]])}\n${y.value}  ${number(mark.value[1])}` }),
    series: [{
      type: "scatter", symbolSize: 10,
      data: data.runs.flatMap((run, index) => {
        const height = figure(data.metrics[y.value][index]);
        if (!Number.isFinite(height) || values[index] === null) return [];
        return [{ value: [numeric ? values[index] : text(values[index]), height, index], itemStyle: { color: colour(many ? "series-1" : tokens[run.id]), opacity: many ? 0.75 : 1 } }];
      }),
    }],
  })).off("click").on("click", (mark) => location.assign(`${document.body.dataset.base}/runs/${data.runs[mark.value[2]].id}`));
}

function parallel() {
  const place = document.querySelector("#parallel .plot");
  const shown = [...params.slice(0, 8), ...(y.value ? [y.value] : [])];
  document.querySelector("[data-parallel-metric]").textContent = many ? y.value : "run";
  if (shown.length < 2) return;
  const columns = shown.map((key, place) => (place < params.length && place < 8 ? data.params[key] : data.metrics[key].map(figure)));
  const heights = (data.metrics[y.value] ?? []).map(figure);
  const finite = heights.filter(Number.isFinite);
  draw(place, () => {
    const { dim, strong } = theme();
    return {
      parallel: { left: 48, right: 84, top: 30, bottom: 16, parallelAxisDefault: { nameTextStyle: { color: dim, fontSize: 11 }, axisLabel: { color: dim, fontSize: 10, formatter: (value) => (typeof value === "number" ? number(value) : value) }, axisLine: { lineStyle: { color: strong } }, nameTruncate: { maxWidth: 90 } } },
      parallelAxis: columns.map((values, place) => (isNumeric(values)
        ? { dim: place, name: shown[place], type: "value", scale: true }
        : { dim: place, name: shown[place], type: "category", data: [...new Set(values.map(text))] })),
      tooltip: tooltip({ trigger: "item", formatter: (mark) => `${data.runs[mark.dataIndex].label}\n${shown.map((key, place) => `${key}  ${typeof mark.value[place] === "number" ? number(mark.value[place]) : mark.value[place]}`).join("\n")}` }),
      ...(many && finite.length ? { visualMap: { show: false, dimension: shown.length - 1, min: Math.min(...finite), max: Math.max(...finite), inRange: { color: [colour("series-1"), colour("series-5"), colour("series-2")] } } } : {}),
      series: [{
        type: "parallel", inactiveOpacity: 0.08, lineStyle: { width: many ? 1 : 2, opacity: 0.75 },
        data: data.runs.map((run, index) => ({
          value: columns.map((values) => (isNumeric(values) ? values[index] ?? "-" : text(values[index]))),
          ...(many ? {} : { lineStyle: { color: colour(tokens[run.id]) } }),
        })),
      }],
    };
  });
}

function remember() {
  const address = new URL(location.href);
  address.searchParams.set("x", x.value);
  address.searchParams.set("y", y.value);
  history.replaceState(null, "", address.href.replaceAll("%2C", ","));
  scatter();
  parallel();
}
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
if (charted) {
  scatter();
  parallel();
}
whenSeen(document.querySelectorAll("[data-overlay]"), overlay);
