// Many runs at once: one value against another, and all of several over parallel axes. Drawing a range selects the runs in it.
import { axis, colour, draw, figure, number, theme, tooltip } from "./charts.js";

const MOST_AXES = 12;
const FIRST_AXES = 7;
const COMPARED = 200;
const LISTED = 12;
const base = document.body.dataset.base;
const text = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
const isNumeric = (values) => values.some((value) => typeof value === "number") && values.every((value) => value === null || typeof value === "number");

// Learning rates and the like are chosen by their order of magnitude.
function spansDecades(values) {
  const there = values.filter((value) => value !== null).sort((a, b) => a - b);
  const [low, middle, high] = [there[0], there[there.length >> 1], there.at(-1)];
  return low > 0 && high >= 1000 * low && high >= 10 * middle;
}

// Every column by name: its values, and whether they are numbers.
function columnsOf(data) {
  const found = new Map();
  for (const section of ["params", "metrics"]) {
    for (const [key, values] of Object.entries(data[section])) {
      const numeric = section === "metrics" || isNumeric(values);
      const shown = section === "metrics" ? values.map((value) => (value === null ? null : figure(value))) : values;
      const log = section === "params" && numeric && spansDecades(values);
      const arrow = { lower: " ↓", higher: " ↑" }[section === "metrics" ? data.directions[key] : ""] ?? "";
      found.set(`${section}.${key}`, { name: `${key}${arrow}${log ? " (log)" : ""}`, key, section, numeric, log, values: shown, direction: section === "metrics" ? data.directions[key] ?? "" : "" });
    }
  }
  return found;
}

export class Plots {
  // tokens: a colour for each run's id, where there are few runs.
  constructor(data, tokens = null) {
    this.data = data;
    this.tokens = tokens;
    this.columns = columnsOf(data);
    this.selected = null;
    this.ranges = new Map();
    const words = new URLSearchParams(location.search);
    const params = [...this.columns].filter(([, { section }]) => section === "params").map(([id]) => id);
    const metrics = [...this.columns].filter(([, { section }]) => section === "metrics").map(([id]) => id);
    const [best] = [...metrics].sort((a, b) => this.rank(a) - this.rank(b));
    this.pick("x", [...params, ...metrics], words.get("x"), params[0] ?? metrics[0]);
    this.pick("y", [...metrics, ...params], words.get("y"), best);
    this.pick("colour", tokens ? ["", ...metrics, ...params] : [...metrics, ...params], words.get("colour"), tokens ? "" : best);
    this.pickAxes(words.get("axes")?.split(",") ?? [...params.slice(0, FIRST_AXES), ...(best ? [best] : [])]);
    for (const each of words.getAll("range")) {
      const [id, low, high] = each.split("~");
      if (this.columns.get(id)?.numeric && Number.isFinite(Number(low)) && Number.isFinite(Number(high))) this.ranges.set(id, [Number(low), Number(high)]);
    }
  }

  // Summaries whose better end is known are what one looks at first.
  rank(id) {
    const { key, direction } = this.columns.get(id);
    return (direction ? 0 : 2) + (this.data.summaries?.includes(key) ? 0 : 1);
  }

  pick(name, ids, wanted, first) {
    const select = document.querySelector(`[data-axis='${name}']`);
    ids.filter((id) => id === "" || name !== "colour" || this.columns.get(id).numeric).forEach((id) => select.add(new Option(id ? this.columns.get(id).name : "run", id)));
    const options = [...select.options].map((option) => option.value);
    const given = options.find((id) => id === wanted) ?? options.find((id) => id && this.columns.get(id).key === wanted);
    select.value = given ?? (options.includes(first) ? first : options[0] ?? "");
    select.addEventListener("change", () => this.changed());
    this[name] = select;
  }

  pickAxes(wanted) {
    const place = document.querySelector("[data-axes]");
    this.ticks = [...this.columns].map(([id, { name }]) => {
      const label = document.createElement("label");
      const tick = Object.assign(document.createElement("input"), { type: "checkbox", value: id, checked: wanted.includes(id), autocomplete: "off" });
      label.className = "check";
      label.append(tick, ` ${name}`);
      place.append(label);
      tick.addEventListener("change", () => this.changed());
      return tick;
    });
  }

  get axes() {
    return this.ticks.filter((tick) => tick.checked).slice(0, MOST_AXES).map((tick) => tick.value);
  }

  changed() {
    this.remember();
    this.draw();
  }

  remember() {
    const address = new URL(location.href);
    for (const name of ["x", "y", "colour"]) address.searchParams.set(name, this[name].value);
    address.searchParams.set("axes", this.axes.join(","));
    address.searchParams.delete("range");
    this.ranges.forEach(([low, high], id) => address.searchParams.append("range", `${id}~${Number(low.toPrecision(8))}~${Number(high.toPrecision(8))}`));
    history.replaceState(null, "", address.href.replaceAll("%2C", ","));
  }

  draw() {
    this.scatter();
    this.parallel();
    this.select(this.inRanges());
  }

  inRanges() {
    const ranges = [...this.ranges].filter(([id]) => this.axes.includes(id));
    if (!ranges.length) return null;
    return this.data.runs.map((_, index) => index).filter((index) => ranges.every(([id, [low, high]]) => {
      const value = this.columns.get(id).values[index];
      return value !== null && value >= low && value <= high;
    }));
  }

  // How runs are coloured: each its own where they are few, else by a figure, the better end darkest.
  painted(dimension) {
    const column = this.columns.get(this.colour.value);
    if (!column) return {};
    const finite = column.values.filter(Number.isFinite);
    if (!finite.length) return {};
    const range = [colour("series-5"), colour("series-3"), colour("series-1")];
    let [min, max] = [Infinity, -Infinity];
    for (const value of finite) { min = Math.min(min, value); max = Math.max(max, value); }
    return {
      visualMap: {
        show: true, type: "continuous", dimension, min, max: max > min ? max : min + 1, precision: 6, text: [number(max), number(min)], textStyle: { color: theme().dim, fontSize: 10 },
        inRange: { color: column.direction === "lower" ? range.toReversed() : range }, outOfRange: { color: [colour("none")] }, orient: "horizontal", right: 8, top: 0, itemWidth: 8, itemHeight: 70, calculable: false,
      },
    };
  }

  ownPaint(index) {
    return this.columns.has(this.colour.value) || !this.tokens ? {} : { color: colour(this.tokens[this.data.runs[index].id]) };
  }

  scatter() {
    const [x, y, paint] = [this.columns.get(this.x.value), this.columns.get(this.y.value), this.columns.get(this.colour.value)];
    if (!x || !y) return;
    const along = ({ name, numeric, log, values }, more) => axis(name, numeric ? { type: log ? "log" : "value", scale: true, ...more } : { type: "category", data: [...new Set(values.filter((value) => value !== null).map(text))], ...more });
    const at = ({ numeric, values }, index) => (numeric ? values[index] : text(values[index]));
    const there = this.data.runs.map((_, index) => index).filter((index) => [x, y].every(({ numeric, values }) => values[index] !== null && (!numeric || Number.isFinite(values[index]))));
    const many = this.data.runs.length > 8;
    const chart = draw(document.querySelector("#scatter .plot"), () => ({
      grid: { left: 64, right: 24, top: 28, bottom: 44 },
      xAxis: along(x, { axisLabel: { color: theme().dim, fontSize: 11, formatter: number, hideOverlap: true } }),
      yAxis: along(y, { nameGap: 46, axisLabel: { color: theme().dim, fontSize: 11, formatter: number } }),
      tooltip: tooltip({ trigger: "item", formatter: ({ value }) => this.told(value[3], [x, y, ...(paint ? [paint] : [])]) }),
      toolbox: { show: false },
      brush: { toolbox: [], xAxisIndex: 0, brushMode: "single", throttleType: "debounce", throttleDelay: 150, outOfBrush: { colorAlpha: 0.12 }, brushStyle: { color: "transparent", borderColor: colour("accent"), borderWidth: 1 } },
      ...this.painted(2),
      series: [{
        type: "scatter", symbolSize: this.data.runs.length > 1000 ? 5 : 10, progressive: 0,
        data: there.map((index) => ({ value: [at(x, index), at(y, index), paint?.values[index] ?? NaN, index], itemStyle: { ...this.ownPaint(index), opacity: many ? 0.75 : 1 } })),
      }],
    }));
    chart.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: { brushType: "rect" } });
    chart.off("click").on("click", ({ value }) => location.assign(`${base}/runs/${this.data.runs[value[3]].id}`));
    chart.off("brushSelected").on("brushSelected", ({ batch }) => {
      if (!batch[0].areas.length) return this.select(this.inRanges());
      return this.select(batch[0].selected[0].dataIndex.map((place) => there[place]));
    });
    document.querySelector("#scatter").dataset.drawn = there.length;
  }

  parallel() {
    const ids = this.axes;
    const shown = ids.map((id) => this.columns.get(id));
    const many = this.data.runs.length > 8;
    const place = document.querySelector("#parallel .plot");
    place.hidden = shown.length < 2;
    if (shown.length < 2) return;
    const paint = this.columns.get(this.colour.value);
    const chart = draw(place, () => {
      const { dim, strong } = theme();
      return {
        parallel: { left: 48, right: 64, top: 52, bottom: 16, parallelAxisDefault: { nameTextStyle: { color: dim, fontSize: 11 }, axisLabel: { color: dim, fontSize: 10, formatter: (value) => (typeof value === "number" ? number(value) : value) }, axisLine: { lineStyle: { color: strong } }, nameTruncate: { maxWidth: 90 }, areaSelectStyle: { width: 16, color: colour("accent"), borderColor: colour("accent"), opacity: 0.25 } } },
        parallelAxis: shown.map(({ name, numeric, log, values }, place) => ({ dim: place, name, ...(numeric ? { type: log ? "log" : "value", scale: true } : { type: "category", data: [...new Set(values.map(text))] }) })),
        tooltip: tooltip({ trigger: "item", formatter: ({ dataIndex }) => this.told(dataIndex, shown) }),
        ...this.painted(shown.length),
        series: [{
          type: "parallel", inactiveOpacity: 0.04, lineStyle: { width: many ? 1 : 2, opacity: this.data.runs.length > 500 ? 0.35 : 0.75 }, progressive: 1000,
          data: this.data.runs.map((_, index) => ({
            value: [...shown.map(({ numeric, values }) => (numeric ? (Number.isFinite(values[index]) ? values[index] : "-") : text(values[index]))), paint?.values[index] ?? "-"],
            lineStyle: this.ownPaint(index),
          })),
        }],
      };
    });
    ids.forEach((id, parallelAxisIndex) => this.ranges.has(id) && chart.dispatchAction({ type: "axisAreaSelect", parallelAxisIndex, intervals: [this.ranges.get(id)] }));
    chart.off("axisareaselected").on("axisareaselected", () => {
      ids.forEach((id, index) => {
        const model = chart.getModel().getComponent("parallelAxis", index);
        const [interval] = model.activeIntervals;
        if (interval && this.columns.get(id).numeric) this.ranges.set(id, [...interval].sort((a, b) => a - b));
        else this.ranges.delete(id);
      });
      this.remember();
      const series = chart.getModel().getSeriesByIndex(0);
      const some = ids.some((_, index) => chart.getModel().getComponent("parallelAxis", index).activeIntervals.length);
      this.select(some ? series.getRawIndicesByActiveState("active") : null);
    });
  }

  told(index, columns) {
    return [this.data.runs[index].label, ...columns.map(({ name, numeric, values }) => `${name}  ${numeric ? number(values[index]) : text(values[index])}`)].join("\n");
  }

  // What is selected is counted, listed, and can be compared.
  select(indices) {
    this.selected = indices;
    const place = document.querySelector("[data-selection]");
    const runs = (indices ?? []).map((index) => this.data.runs[index]);
    place.querySelector("[data-selected-count]").textContent = indices ? `${runs.length.toLocaleString("en")} of ${this.data.runs.length.toLocaleString("en")} runs selected` : "Drag along an axis, or over the points, to select runs.";
    const links = runs.slice(0, LISTED).map(({ id, label }) => Object.assign(document.createElement("a"), { href: `${base}/runs/${id}`, textContent: label }));
    place.querySelector("[data-selected-runs]").replaceChildren(...links, ...(runs.length > LISTED ? [`and ${(runs.length - LISTED).toLocaleString("en")} more`] : []));
    const compare = place.querySelector("[data-selected-compare]");
    compare.hidden = runs.length < 2;
    compare.textContent = runs.length > COMPARED ? `Compare the first ${COMPARED}` : "Compare these";
    compare.href = `${base}/compare?runs=${runs.slice(0, COMPARED).map(({ id }) => id).join(",")}`;
  }
}
