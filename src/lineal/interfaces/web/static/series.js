// Charts of series: smoothed, zoomed by dragging, on a log scale, over steps or time. What is chosen is in the address.
import { axis, band, banded, colour, draw, faded, figure, number, smooth, theme, tooltip } from "./charts.js";

const TOLD = 16; // series that the hover line tells of at once
const base = document.body.dataset.base;

const choices = {
  log: { find: () => document.querySelector("[data-chart-log]"), read: (word) => word === "1", write: (value) => (value ? "1" : "") },
  smooth: { find: () => document.querySelector("[data-chart-smooth]"), read: (word) => Number(word) || 0, write: (value) => (value ? String(value) : "") },
  x: { find: () => document.querySelector("[data-chart-x]"), read: (word) => (["time", "relative"].includes(word) ? word : "step"), write: (value) => (value === "step" ? "" : value) },
  ranks: { find: () => document.querySelector("[data-chart-ranks]"), read: (word) => word === "all", write: (value) => (value ? "all" : "") },
  zoom: { find: () => null, read: (word) => { const ends = word.split("~").map(Number); return ends.length === 2 && ends.every(Number.isFinite) && ends[0] < ends[1] ? ends : null; }, write: (value) => (value ? value.map((end) => Number(end.toPrecision(15))).join("~") : "") },
};

export const state = {};
const listeners = [];

function remember() {
  const address = new URL(location.href);
  for (const [name, { write }] of Object.entries(choices)) {
    const word = write(state[name]);
    if (word) address.searchParams.set(name, word);
    else address.searchParams.delete(name);
  }
  history.replaceState(null, "", address.href.replaceAll("%2C", ","));
  showReset();
}

function showReset() {
  document.querySelectorAll("[data-zoom-reset]").forEach((button) => { button.hidden = !state.zoom; });
}

export function change(what) {
  if (what.x && what.x !== state.x) what.zoom = null; // its ends are in the other unit
  Object.assign(state, what);
  remember();
  listeners.forEach((listener) => listener(what));
}

function setUp() {
  const words = new URLSearchParams(location.search);
  for (const [name, { find, read }] of Object.entries(choices)) {
    state[name] = read(words.get(name) ?? "");
    const input = find();
    if (!input) continue;
    const field = input.type === "checkbox" ? "checked" : "value";
    input[field] = state[name];
    input.addEventListener(input.type === "range" ? "input" : "change", () => change({ [name]: input.type === "range" ? Number(input.value) : input[field] }));
  }
  document.querySelectorAll("[data-zoom-reset]").forEach((button) => button.addEventListener("click", () => change({ zoom: null })));
  showReset();
}
setUp();

async function ask(run, key, words) {
  const query = new URLSearchParams({ key, ...words });
  const answer = await fetch(`${base}/api/v1/runs/${run}/series?${query}`);
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.detail || `HTTP ${answer.status}`);
  return found.series;
}

const exact = (value) => (Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "NaN" : String(value));
const whole = (value) => value.toLocaleString("en", { maximumFractionDigits: 3 });

export function took(seconds) {
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"]].find(([each]) => Math.abs(seconds) >= 2 * each) ?? [1, "s"];
  return `${Number((seconds / size).toPrecision(4))} ${unit}`;
}

const moment = (milliseconds) => new Date(milliseconds).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

const scales = {
  step: { name: "step", at: (one, index) => one.steps[index], told: (at) => `step ${whole(at)}`, axis: { type: "value" } },
  time: { name: "time", at: (one, index) => one.times[index] / 1000, told: moment, axis: { type: "time" } },
  relative: { name: "since the start", at: (one, index, origin) => (one.times[index] - (origin || one.times[0])) / 1e6, told: took, axis: { type: "value", axisLabel: { formatter: took } } },
};

// One series as it is drawn: its places on the x axis, what lies there, and its line.
function drawable(source, one) {
  const scale = scales[state.x];
  const at = one.steps.map((_, index) => scale.at(one, index, source.origin));
  const order = state.x === "step" || at.every((place, index) => !index || place >= at[index - 1]) ? null : at.map((_, index) => index).sort((a, b) => at[a] - at[b]);
  const sorted = (list) => (order ? order.map((index) => list[index]) : list);
  const inside = within(sorted(at));
  const cut = (list) => sorted(list).slice(inside[0], inside[1]);
  const raw = cut(one.values).map(figure);
  const span = one.decimated ? banded(raw) : null;
  return { ...source, at: cut(at), steps: cut(one.steps), raw, span, decimated: one.decimated, total: one.total, shown: raw.length };
}

// What of a sorted list is in view, with a neighbour on each side so that lines go on to the edge.
function within(at) {
  if (!state.zoom) return [0, at.length];
  const first = nearest(at, state.zoom[0]);
  const last = nearest(at, state.zoom[1]);
  return [Math.max(0, first - 1), Math.min(at.length, last + 2)];
}

function nearest(at, place) {
  let low = 0;
  let high = at.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] < place) low = middle + 1;
    else high = middle;
  }
  return low > 0 && place - at[low - 1] < at[low] - place ? low - 1 : low;
}

const positive = (values) => (state.log ? values.map((value) => (value <= 0 ? NaN : value)) : values);

function drawn(each, labelled) {
  const paint = colour(each.token);
  const values = positive(each.span ? each.span.middle : each.raw);
  const points = (list) => list.map((value, index) => [each.at[index], Number.isFinite(value) ? value : null]);
  const line = {
    type: "line", name: each.name, labelLayout: { moveOverlap: "shiftY" }, data: points(state.smooth ? smooth(values, state.smooth) : values), showSymbol: values.length < 2, symbolSize: 5, sampling: false,
    lineStyle: { color: paint, width: 1.6 }, itemStyle: { color: paint }, z: 2,
    endLabel: { show: labelled, formatter: each.name, color: paint, fontSize: 11, distance: 4, width: 78, overflow: "truncate" },
  };
  if (each.span) return [band(each, each.span, paint, state.log), line];
  if (!state.smooth) return [line];
  return [{ type: "line", data: points(values), showSymbol: false, silent: true, lineStyle: { color: faded(paint, 0.28), width: 1 }, tooltip: { show: false }, name: `${each.name} raw`, z: 1 }, line];
}

function told(each, place, alone) {
  const index = nearest(each.at, place);
  if (index >= each.raw.length) return "";
  const there = each.span ? `${number(each.span.low[index])} to ${number(each.span.high[index])}` : exact(each.raw[index]);
  const where = scales[state.x].told(each.at[index]);
  const away = alone || where === scales[state.x].told(place) ? "" : `  at ${where}`;
  return `${each.name}  ${there}${away}`;
}

function options(series) {
  const { dim } = theme();
  const scale = scales[state.x];
  const labelled = series.length > 1 && series.length <= 8;
  const hover = (marks) => {
    const place = marks[0]?.axisValue;
    const lines = series.slice(0, TOLD).map((each) => told(each, place, series.length < 2)).filter(Boolean);
    return [scale.told(place), ...lines, ...(series.length > TOLD ? [`and ${series.length - TOLD} more`] : [])].join("\n");
  };
  const [min, max] = state.zoom ?? ["dataMin", "dataMax"];
  const { axisLabel, ...type } = scale.axis;
  return {
    grid: { left: 58, right: labelled ? 88 : 14, top: 12, bottom: 38 },
    xAxis: axis(scale.name, { ...type, min, max, splitLine: { show: false }, axisLabel: { color: dim, fontSize: 11, hideOverlap: true, showMinLabel: !state.zoom, showMaxLabel: !state.zoom, ...axisLabel } }),
    yAxis: axis("", { type: state.log ? "log" : "value", scale: true, axisLabel: { color: dim, fontSize: 11, formatter: number } }),
    tooltip: tooltip({ trigger: "axis", formatter: hover }),
    series: series.flatMap((each) => drawn(each, labelled)),
  };
}

function said(series) {
  const cut = series.filter((each) => each.decimated);
  if (!cut.length) return "";
  const [shown, total] = ["shown", "total"].map((name) => Math.max(...cut.map((each) => each[name])));
  return `drawn from ${shown.toLocaleString("en")} of ${total.toLocaleString("en")} points${state.zoom ? " in view" : ""}; the band spans lowest to highest`;
}

// Dragging over a chart zooms in; a double click, 0 or Escape shows all of it again.
function zoomable(plot, chart) {
  const box = document.createElement("div");
  box.className = "zoom-box";
  box.hidden = true;
  plot.append(box);
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.title = "";
  const value = (x) => chart.convertFromPixel({ xAxisIndex: 0 }, x);
  let from = null;
  const place = (event) => event.clientX - plot.getBoundingClientRect().left;
  const done = () => { from = null; box.hidden = true; };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button || !chart.containPixel("grid", [place(event), event.clientY - plot.getBoundingClientRect().top])) return;
    from = place(event);
  });
  plot.addEventListener("pointermove", (event) => {
    if (from === null || Math.abs(place(event) - from) < 5) return;
    if (box.hidden) plot.setPointerCapture(event.pointerId);
    box.hidden = false;
    box.style.left = `${Math.min(from, place(event))}px`;
    box.style.width = `${Math.abs(place(event) - from)}px`;
  });
  plot.addEventListener("pointerup", (event) => {
    const ends = [from, place(event)].sort((a, b) => a - b).map(value);
    const wide = !box.hidden;
    done();
    if (wide && ends.every(Number.isFinite) && ends[0] < ends[1]) change({ zoom: ends });
  });
  plot.addEventListener("pointercancel", done);
  plot.addEventListener("dblclick", () => state.zoom && change({ zoom: null }));
  plot.addEventListener("keydown", (event) => byKey(event, chart));
}

function byKey(event, chart) {
  const move = { "+": [0.25, -0.25], "=": [0.25, -0.25], "-": [-0.5, 0.5], ArrowLeft: [-0.25, -0.25], ArrowRight: [0.25, 0.25] }[event.key];
  if (["0", "Escape"].includes(event.key) && state.zoom) change({ zoom: null });
  else if (move) {
    event.preventDefault();
    event.stopPropagation();
    const [low, high] = state.zoom ?? chart.getModel().getComponent("xAxis").axis.scale.getExtent();
    change({ zoom: [low + (high - low) * move[0], high + (high - low) * move[1]] });
  }
}

// A figure and the series in it. Sources: run, key, name, token, and origin (microseconds) of relative time.
export class SeriesFigure {
  constructor(figure, sources, points = 800) {
    Object.assign(this, { figure, sources, points, plot: figure.querySelector(".plot"), overviews: null, fine: null, asked: 0 });
    listeners.push((what) => this.changed(what));
  }

  async changed(what) {
    if (!this.overviews) return;
    if ("ranks" in what) await this.load();
    else if ("zoom" in what || "x" in what) await this.refine();
    else this.show();
  }

  async load() {
    const asked = ++this.asked;
    const words = { points: this.points, ...(state.ranks ? {} : { rank: 0 }) };
    try {
      const found = await Promise.all(this.sources.map(async (source) => ({ source, series: await this.ranked(source, words) })));
      if (asked !== this.asked) return;
      this.overviews = found.flatMap(({ source, series }) => series.map((one) => ({ source: named(source, one, series.length), one })));
      await this.refine();
    } catch (error) {
      this.say(`It could not be loaded: ${error.message}`);
    }
  }

  // Rank 0 unless all are wanted; a run whose ranks begin with another number is asked for whatever it has.
  async ranked(source, words) {
    try {
      return await ask(source.run, source.key, words);
    } catch (error) {
      if (!("rank" in words)) throw error;
      const { rank: _rank, ...every } = words;
      return (await ask(source.run, source.key, every)).slice(0, 1);
    }
  }

  // Finer points of what is in view, for series of which there are more than were drawn.
  async refine() {
    this.fine = null;
    this.show();
    if (!state.zoom || !this.overviews.some(({ one }) => one.decimated)) return;
    const asked = ++this.asked;
    try {
      const found = await Promise.all(this.overviews.map((each) => this.finer(each)));
      if (asked !== this.asked) return;
      this.fine = found;
      this.show();
    } catch (error) {
      this.say(`Finer points could not be loaded: ${error.message}`);
    }
  }

  async finer({ source, one }) {
    if (!one.decimated) return { source, one };
    const at = one.steps.map((_, index) => scales[state.x].at(one, index, source.origin));
    const [first, last] = within(at);
    if (last - first < 1) return { source, one };
    const [found] = await ask(source.run, source.key, { points: this.points, from: one.steps[first], to: one.steps[last - 1], rank: one.rank });
    return { source, one: found ?? one };
  }

  show() {
    const series = (this.fine ?? this.overviews).filter(({ one }) => one.steps.length).map(({ source, one }) => drawable(source, one));
    const ranks = Math.max(0, ...this.overviews.map(({ one }) => one.ranks));
    if (ranks > 1) document.querySelectorAll("[data-ranks]").forEach((label) => { label.hidden = false; });
    const fresh = !this.chart;
    this.chart = draw(this.plot, () => options(series));
    if (fresh) zoomable(this.plot, this.chart);
    const hidden = ranks > 1 && !state.ranks ? `rank ${this.overviews[0].one.rank} of ${ranks}` : "";
    this.say([this.note, hidden, said(series)].filter(Boolean).join("; "));
    this.figure.dataset.points = series.reduce((sum, each) => sum + each.shown, 0);
  }

  say(text) {
    this.figure.querySelector("[data-decimated]").textContent = text;
  }
}

function named(source, one, ranks) {
  if (ranks < 2) return source;
  const token = source.alone ? `series-${(one.rank % 8) + 1}` : source.token;
  return { ...source, token, name: source.alone ? `rank ${one.rank}` : `${source.name} rank ${one.rank}` };
}

// Draws figures when they come into view.
export function whenSeen(figures, load) {
  const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    seen.unobserve(entry.target);
    load(entry.target);
  }), { rootMargin: "300px" });
  figures.forEach((each) => seen.observe(each));
}
