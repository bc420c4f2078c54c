// Charts by ECharts, in this page's colours. Tooltips are drawn, not HTML: the content policy allows no inline style.

const drawn = new Map();

export function ready() {
  return window.echarts ? Promise.resolve() : new Promise((done) => addEventListener("load", done, { once: true }));
}

// A token's colour as the browser resolves it now, light or dark.
export function colour(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${token})`;
  probe.hidden = true;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export const faded = (rgb, share) => rgb.replace("rgb(", "rgba(").replace(")", `, ${share})`);

// At most eight colours, and a run keeps its own from page to page unless another run on this page has it.
export function colours(ids) {
  const taken = new Set();
  const found = {};
  for (const id of ids) {
    const wanted = parseInt(id.slice(0, 6), 16) % 8;
    const free = [...Array(8).keys()].map((step) => (wanted + step) % 8).find((place) => !taken.has(place));
    taken.add(free);
    found[id] = free === undefined ? "none" : `series-${free + 1}`;
  }
  return found;
}

export function number(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 1000 && Math.abs(value) < 1e15 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
}

export function figure(value) {
  if (value === "NaN" || value === null || value === undefined) return NaN;
  if (value === "Infinity") return Infinity;
  if (value === "-Infinity") return -Infinity;
  return Number(value);
}

export function theme() {
  return { ink: colour("ink"), dim: colour("dim"), line: colour("line"), paper: colour("paper"), panel: colour("panel"), strong: colour("line-strong") };
}

export function axis(name, more = {}) {
  const { dim, line } = theme();
  return {
    name, nameLocation: "middle", nameGap: 26, nameTextStyle: { color: dim, fontSize: 11 }, axisLabel: { color: dim, fontSize: 11, hideOverlap: true },
    axisLine: { lineStyle: { color: line } }, axisTick: { lineStyle: { color: line } }, splitLine: { lineStyle: { color: line } }, ...more,
  };
}

export function tooltip(more = {}) {
  const { ink, paper, strong } = theme();
  return {
    renderMode: "richText", backgroundColor: paper, borderColor: strong, borderWidth: 1, padding: 8, textStyle: { color: ink, fontSize: 12 }, confine: true,
    axisPointer: { type: "line", lineStyle: { color: strong }, label: { show: false } }, ...more,
  };
}

// Draws, and draws again when the theme changes. `make` gives the options.
export function draw(place, make) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let chart = drawn.get(place)?.chart;
  if (!chart) {
    chart = window.echarts.init(place, null, { renderer: "canvas" });
    new ResizeObserver(() => chart.resize()).observe(place);
  }
  drawn.set(place, { chart, make });
  chart.setOption({ animation: !still, animationDuration: 200, textStyle: { fontFamily: "system-ui, sans-serif" }, ...make() }, true);
  return chart;
}

document.addEventListener("lineal:theme", () => drawn.forEach(({ make }, place) => draw(place, make)));

// Exponential smoothing with the start corrected, so that the line begins at the first value.
export function smooth(values, weight) {
  let last = 0;
  let count = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    last = last * weight + (1 - weight) * value;
    count += 1;
    return last / (1 - weight ** count);
  });
}

// A decimated series holds the lowest and the highest of every bucket: drawn as the band that they span and the line in its middle.
export function banded(values) {
  const near = values.map((_, index) => {
    const first = Math.max(0, Math.min(index - 1, values.length - 3)); // as many at the ends as between
    return values.slice(first, first + 3).filter(Number.isFinite);
  });
  const low = near.map((some) => (some.length ? Math.min(...some) : NaN));
  const high = near.map((some) => (some.length ? Math.max(...some) : NaN));
  return { low, high, middle: low.map((value, index) => (value + high[index]) / 2) };
}

export function band(each, { low, high }, paint, log) {
  const floor = Math.min(...[...low, ...high].filter((value) => value > 0)); // a log scale has no place for what lies below
  const rows = each.at.map((at, index) => [at, log ? Math.max(floor, low[index]) : low[index], log && high[index] <= 0 ? NaN : high[index]]).filter((row) => row.every(Number.isFinite));
  return {
    type: "custom", name: `${each.name} raw`, silent: true, clip: true, z: 1, data: rows, encode: { x: 0, y: [1, 2] }, tooltip: { show: false },
    renderItem: ({ dataIndexInside }, api) => (dataIndexInside ? null : {
      type: "polygon",
      shape: { points: [...rows.map((row) => api.coord([row[0], row[1]])), ...rows.toReversed().map((row) => api.coord([row[0], row[2]]))] },
      style: { fill: faded(paint, 0.22) },
    }),
  };
}

export const embedded = (id) => JSON.parse(document.getElementById(id).textContent);
