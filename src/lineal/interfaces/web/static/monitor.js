// What a monitor says, drawn: quality with its uncertainty, coverage and base rate, distributions over each other.
import { axis, colour, draw, embedded, faded, figure, number, ready, theme, tooltip } from "./charts.js";

const report = embedded("report");
const labels = report.windows.map((window) => window.label);
const names = report.metrics;
const select = document.querySelector("[data-metric]");
names.forEach((name) => select.add(new Option(name, name)));
const asked = new URLSearchParams(location.search);
if (names.includes(asked.get("metric"))) select.value = asked.get("metric");
const percent = (value) => `${Math.round(value * 100)}%`;

function remember(key, value) {
  const address = new URL(location.href);
  address.searchParams.set(key, value);
  history.replaceState(null, "", address);
}

function quality() {
  const name = select.value;
  if (!name) return;
  const values = report.windows.map((window) => figure(window.quality?.metrics?.[name]));
  const ranges = report.windows.map((window) => window.quality?.intervals?.[name]?.map(figure) ?? null);
  const before = figure(report.reference_quality[name]);
  draw(document.querySelector("#quality .plot"), () => {
    const paint = colour("series-1");
    const { dim } = theme();
    const shown = (value) => (Number.isFinite(value) ? value : null);
    return {
      grid: { left: 60, right: 20, top: 16, bottom: 30 },
      xAxis: axis("", { type: "category", data: labels, boundaryGap: labels.length < 2 }),
      yAxis: axis(name, { type: "value", scale: true, nameGap: 46, axisLabel: { color: dim, fontSize: 11, formatter: number } }),
      tooltip: tooltip({
        trigger: "axis",
        formatter: ([mark]) => {
          const at = mark.dataIndex;
          const window = report.windows[at];
          if (!window.quality) return `${labels[at]}\nno truth yet`;
          if (window.quality.absent[name]) return `${labels[at]}\n${name} cannot be computed: ${window.quality.absent[name]}`;
          const range = ranges[at] ? `\n95%  ${number(ranges[at][0])} to ${number(ranges[at][1])}` : "";
          return `${labels[at]}\n${name}  ${number(values[at])}${range}\nfrom ${window.quality.known.toLocaleString("en")} known, ${percent(window.quality.coverage)}`;
        },
      }),
      series: [
        { type: "line", data: ranges.map((range) => (range ? range[0] : null)), stack: "band", symbol: "none", lineStyle: { opacity: 0 }, silent: true, stackStrategy: "all" },
        { type: "line", data: ranges.map((range) => (range ? range[1] - range[0] : null)), stack: "band", symbol: "none", lineStyle: { opacity: 0 }, areaStyle: { color: faded(paint, 0.2) }, silent: true, stackStrategy: "all" },
        {
          type: "line", name, data: values.map(shown), symbolSize: labels.length > 40 ? 3 : 7, lineStyle: { color: paint, width: 2 }, itemStyle: { color: paint },
          ...(Number.isFinite(before) ? { markLine: { silent: true, symbol: "none", lineStyle: { color: dim, type: "dashed" }, label: { formatter: `at registration ${number(before)}`, position: "insideStartTop", color: dim, fontSize: 11 }, data: [{ yAxis: before }] } } : {}),
        },
      ],
      ...(Number.isFinite(before) ? stretch(name, before, values, ranges, dim) : {}),
    };
  });
}

// The axis holds the line at registration too.
function stretch(name, before, values, ranges, dim) {
  const all = [before, ...values, ...ranges.flat()].filter(Number.isFinite);
  const low = Math.min(...all);
  const high = Math.max(...all);
  const room = (high - low) * 0.12 || Math.abs(high) * 0.1 || 1;
  return { yAxis: axis(name, { type: "value", min: low - room, max: high + room, nameGap: 46, axisLabel: { color: dim, fontSize: 11, formatter: number, showMinLabel: false, showMaxLabel: false } }) };
}

function coverage() {
  const shares = report.windows.map((window) => window.quality?.coverage ?? 0);
  const rates = report.windows.map((window) => window.quality?.base_rate ?? null);
  const share = report.task === "classification";
  const rate = share ? "base rate" : "mean outcome";
  draw(document.querySelector("#coverage .plot"), () => {
    const { dim } = theme();
    const [bars, line] = [colour("series-8"), colour("series-2")];
    return {
      grid: { left: 52, right: 60, top: 28, bottom: 30 },
      legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: { color: dim, fontSize: 11 }, data: ["truth known", rate] },
      xAxis: axis("", { type: "category", data: labels }),
      yAxis: [
        axis("", { type: "value", min: 0, max: 1, axisLabel: { color: dim, fontSize: 11, formatter: percent } }),
        axis("", { type: "value", scale: !share, ...(share ? { min: 0 } : {}), splitLine: { show: false }, axisLabel: { color: line, fontSize: 11, formatter: share ? (value) => `${Number((value * 100).toPrecision(3))}%` : number } }),
      ],
      tooltip: tooltip({ trigger: "axis", formatter: ([mark]) => `${labels[mark.dataIndex]}\ntruth known  ${percent(shares[mark.dataIndex])}\n${rate}  ${rates[mark.dataIndex] === null ? "–" : share ? `${(rates[mark.dataIndex] * 100).toFixed(1)}%` : number(rates[mark.dataIndex])}` }),
      series: [
        { type: "bar", name: "truth known", data: shares, itemStyle: { color: faded(bars, 0.45) }, barMaxWidth: 48 },
        { type: "line", name: rate, data: rates, yAxisIndex: 1, symbolSize: 7, lineStyle: { color: line, width: 2 }, itemStyle: { color: line } },
      ],
    };
  });
}

const heading = document.querySelector("[data-distribution-title]");
const total = (counts) => counts.reduce((sum, count) => sum + count, 0) || 1;
const shares = (counts) => counts.map((count) => count / total(counts));
const whole = (value) => value.toLocaleString("en");

function distribution(feature, window) {
  const [at, observed] = window.drift[feature];
  const { labels: bins, counts } = report.references[at];
  const [before, now] = [shares(counts), shares(observed)];
  heading.textContent = `${feature || "predictions"}: training and ${window.label}`;
  draw(document.querySelector("#distribution .plot"), () => {
    const { dim } = theme();
    const [old, fresh] = [colour("series-8"), colour("series-1")];
    return {
      grid: { left: 48, right: 12, top: 28, bottom: 64 },
      legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: { color: dim, fontSize: 11 } },
      xAxis: axis("", { type: "category", data: bins, axisLabel: { color: dim, fontSize: 10, rotate: bins.length > 6 ? 35 : 0, width: 84, overflow: "truncate", hideOverlap: true } }),
      yAxis: axis("", { type: "value", min: 0, axisLabel: { color: dim, fontSize: 11, formatter: percent } }),
      tooltip: tooltip({ trigger: "axis", formatter: ([mark]) => `${bins[mark.dataIndex]}\ntraining  ${(before[mark.dataIndex] * 100).toFixed(1)}%  (${whole(counts[mark.dataIndex])})\n${window.label}  ${(now[mark.dataIndex] * 100).toFixed(1)}%  (${whole(observed[mark.dataIndex])})` }),
      series: [
        { type: "bar", name: "training", data: before, itemStyle: { color: faded(old, 0.35) }, barGap: "-100%", barCategoryGap: "12%" },
        { type: "bar", name: window.label, data: now, itemStyle: { color: faded(fresh, 0.12), borderColor: fresh, borderWidth: 1.6 }, barCategoryGap: "12%" },
      ],
    };
  });
}

// What was promised against what happened: points with their intervals on the diagonal, if the scores are honest.
function calibration(window) {
  const place = document.querySelector("#calibration .plot");
  if (!place) return;
  const bins = window.quality?.calibration ?? [];
  document.querySelector("[data-calibration-title]").textContent = bins.length ? `Calibration in ${window.label}` : `Calibration: no truth for ${window.label}`;
  const top = Math.min(1, Math.ceil(Math.max(0.1, ...bins.flatMap((bin) => [bin.predicted, bin.interval[1]])) * 10) / 10);
  draw(place, () => {
    const { dim } = theme();
    const paint = colour("series-1");
    const scale = { type: "value", min: 0, max: top, axisLabel: { color: dim, fontSize: 11, formatter: percent } };
    return {
      grid: { left: 56, right: 20, top: 16, bottom: 44 },
      xAxis: axis("score", scale),
      yAxis: axis("came true", { ...scale, nameGap: 42 }),
      tooltip: tooltip({ trigger: "item", formatter: ({ dataIndex }) => { const bin = bins[dataIndex]; return bin ? `score ${percent(bin.low)} to ${percent(bin.high)}\nexpected  ${(bin.predicted * 100).toFixed(1)}%\nhappened  ${(bin.observed * 100).toFixed(1)}%  (${percent(bin.interval[0])} to ${percent(bin.interval[1])})\nfrom ${whole(bin.count)}` : ""; } }),
      series: [
        { type: "line", data: [[0, 0], [top, top]], symbol: "none", silent: true, lineStyle: { color: dim, type: "dashed", width: 1 } },
        ...bins.map((bin) => ({ type: "line", data: bin.interval.map((end) => [bin.predicted, end]), symbol: "none", silent: true, lineStyle: { color: faded(paint, 0.5), width: 3 } })),
        { type: "line", data: bins.map((bin) => [bin.predicted, bin.observed]), symbolSize: 8, lineStyle: { color: paint, width: 1.5 }, itemStyle: { color: paint } },
      ],
    };
  });
}

function pick(feature, at) {
  const window = report.windows[at];
  if (!window?.drift[feature]) return false;
  document.querySelectorAll(".cell").forEach((cell) => cell.setAttribute("aria-pressed", String(cell.dataset.feature === feature && Number(cell.dataset.window) === at)));
  distribution(feature, window);
  calibration(window);
  return true;
}

function choose(cell) {
  pick(cell.dataset.feature, Number(cell.dataset.window));
  remember("feature", cell.dataset.feature);
  remember("window", cell.dataset.window);
}

const table = document.querySelector(".drift");
table.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell) choose(cell);
});
// Arrows walk over the figures, and what they come to is drawn.
table.addEventListener("keydown", (event) => {
  const cell = event.target.closest(".cell");
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!cell || !step) return;
  event.preventDefault();
  const rows = [...table.tBodies[0].rows];
  let [row, column] = [rows.indexOf(cell.closest("tr")), cell.closest("td").cellIndex];
  do {
    row += step[0];
    column += step[1];
    const next = rows[row]?.cells[column]?.querySelector(".cell");
    if (next) {
      next.focus();
      return choose(next);
    }
  } while (rows[row]?.cells[column]);
});
select.addEventListener("change", () => { remember("metric", select.value); quality(); });

await ready();
quality();
coverage();
const last = report.windows.length - 1;
const first = table.querySelector("tr:nth-child(2) .cell")?.dataset.feature ?? "";
const [feature, at] = [asked.get("feature") ?? first, Number(asked.get("window") ?? last)];
table.parentElement.scrollLeft = table.scrollWidth; // the newest stand at the right
if (!pick(feature, at) && !pick("", last)) calibration(report.windows[last]);
