// What a monitor says, drawn: quality with its uncertainty, coverage and base rate, distributions over each other.
import { axis, colour, draw, embedded, faded, figure, number, ready, theme, tooltip } from "./charts.js";

const report = embedded("report");
const labels = report.windows.map((window) => window.label);
const names = Object.keys(report.directions);
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
          const range = ranges[at] ? `\n95%  ${number(ranges[at][0])} to ${number(ranges[at][1])}` : "";
          return `${labels[at]}\n${name}  ${number(values[at])}${range}\nfrom ${window.quality.known.toLocaleString("en")} known, ${percent(window.quality.coverage)}`;
        },
      }),
      series: [
        { type: "line", data: ranges.map((range) => (range ? range[0] : null)), stack: "band", symbol: "none", lineStyle: { opacity: 0 }, silent: true, stackStrategy: "all" },
        { type: "line", data: ranges.map((range) => (range ? range[1] - range[0] : null)), stack: "band", symbol: "none", lineStyle: { opacity: 0 }, areaStyle: { color: faded(paint, 0.2) }, silent: true, stackStrategy: "all" },
        {
          type: "line", name, data: values.map(shown), symbolSize: 7, lineStyle: { color: paint, width: 2 }, itemStyle: { color: paint },
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
  draw(document.querySelector("#coverage .plot"), () => {
    const { dim } = theme();
    const [bars, line] = [colour("series-8"), colour("series-2")];
    return {
      grid: { left: 52, right: 60, top: 28, bottom: 30 },
      legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: { color: dim, fontSize: 11 }, data: ["truth known", "base rate"] },
      xAxis: axis("", { type: "category", data: labels }),
      yAxis: [
        axis("", { type: "value", min: 0, max: 1, axisLabel: { color: dim, fontSize: 11, formatter: percent } }),
        axis("", { type: "value", scale: !share, ...(share ? { min: 0 } : {}), splitLine: { show: false }, axisLabel: { color: line, fontSize: 11, formatter: share ? (value) => `${Number((value * 100).toPrecision(3))}%` : number } }),
      ],
      tooltip: tooltip({ trigger: "axis", formatter: ([mark]) => `${labels[mark.dataIndex]}\ntruth known  ${percent(shares[mark.dataIndex])}\nbase rate  ${rates[mark.dataIndex] === null ? "–" : share ? `${(rates[mark.dataIndex] * 100).toFixed(1)}%` : number(rates[mark.dataIndex])}` }),
      series: [
        { type: "bar", name: "truth known", data: shares, itemStyle: { color: faded(bars, 0.45) }, barMaxWidth: 48 },
        { type: "line", name: "base rate", data: rates, yAxisIndex: 1, symbolSize: 7, lineStyle: { color: line, width: 2 }, itemStyle: { color: line } },
      ],
    };
  });
}

const heading = document.querySelector("[data-distribution-title]");
function distribution(drift, window) {
  const total = (counts) => counts.reduce((sum, count) => sum + count, 0) || 1;
  const shares = (counts) => counts.map((count) => count / total(counts));
  const before = shares(drift.reference.counts);
  const now = shares(drift.observed.counts);
  heading.textContent = `${drift.feature}: training and ${window.label}`;
  draw(document.querySelector("#distribution .plot"), () => {
    const { dim } = theme();
    const [old, fresh] = [colour("series-8"), colour("series-1")];
    return {
      grid: { left: 48, right: 12, top: 28, bottom: 64 },
      legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: { color: dim, fontSize: 11 } },
      xAxis: axis("", { type: "category", data: drift.reference.labels, axisLabel: { color: dim, fontSize: 10, rotate: drift.reference.labels.length > 6 ? 35 : 0, width: 84, overflow: "truncate", hideOverlap: true } }),
      yAxis: axis("", { type: "value", min: 0, axisLabel: { color: dim, fontSize: 11, formatter: percent } }),
      tooltip: tooltip({ trigger: "axis", formatter: ([mark]) => `${drift.reference.labels[mark.dataIndex]}\ntraining  ${(before[mark.dataIndex] * 100).toFixed(1)}%\n${window.label}  ${(now[mark.dataIndex] * 100).toFixed(1)}%` }),
      series: [
        { type: "bar", name: "training", data: before, itemStyle: { color: faded(old, 0.35) }, barGap: "-100%", barCategoryGap: "12%" },
        { type: "bar", name: window.label, data: now, itemStyle: { color: faded(fresh, 0.12), borderColor: fresh, borderWidth: 1.6 }, barCategoryGap: "12%" },
      ],
    };
  });
}

function pick(feature, at) {
  const window = report.windows[at];
  const drift = feature === "" ? window?.prediction_drift : window?.drift.find((each) => each.feature === feature);
  if (!drift) return false;
  document.querySelectorAll(".cell").forEach((cell) => cell.setAttribute("aria-pressed", String(cell.dataset.feature === feature && Number(cell.dataset.window) === at)));
  distribution(drift, window);
  return true;
}

document.querySelectorAll(".cell").forEach((cell) => cell.addEventListener("click", () => {
  pick(cell.dataset.feature, Number(cell.dataset.window));
  remember("feature", cell.dataset.feature);
  remember("window", cell.dataset.window);
}));
select.addEventListener("change", () => { remember("metric", select.value); quality(); });

await ready();
quality();
coverage();
const last = report.windows.length - 1;
const first = document.querySelector(".drift tbody .cell")?.dataset.feature ?? "";
if (!pick(asked.get("feature") ?? first, Number(asked.get("window") ?? last))) pick("", last);
