// The graph, drawn from the server's layout. Drag moves, the wheel zooms, a click selects, a double click centres.

const data = JSON.parse(document.getElementById("graph-data").textContent);
const area = document.getElementById("graph");
const facts = document.getElementById("facts");
const legend = facts.innerHTML;
const HEIGHT = 30;
const SVG = "http://www.w3.org/2000/svg";

function make(name, facts = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  Object.entries(facts).forEach(([key, value]) => element.setAttribute(key, value));
  element.append(...children);
  return element;
}

const lit = new Set(data.production);
const onPath = new Set(data.production.slice(1).map((place, index) => `${data.production[index]} ${place}`));
const edges = make("g", { class: "edges" });
for (const [from, to, role] of data.edges) {
  const [a, b] = [data.nodes[from], data.nodes[to]];
  const [x1, y1, x2, y2] = [a.x + a.width, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2];
  const bend = Math.max(16, (x2 - x1) / 2);
  const path = make("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
  if (onPath.has(`${from} ${to}`)) path.classList.add("lit");
  if (role) path.append(make("title", {}, role));
  edges.append(path);
}

const boxes = data.nodes.map((node, place) => {
  const box = make("g", { class: `box kind-${node.kind} ${node.marks.map((mark) => `mark-${mark}`).join(" ")}`, transform: `translate(${node.x} ${node.y})` });
  if (node.id === data.focus) box.classList.add("focus");
  if (lit.has(place)) box.classList.add("lit");
  if (node.detail.count) box.classList.add("many");
  box.append(
    make("title", {}, `${node.kind}: ${node.name}${node.marks.length ? ` (${node.marks.join(", ")})` : ""}`),
    make("rect", { width: node.width, height: HEIGHT, rx: 4 }),
    make("path", { class: "shape", transform: "translate(6 5)", d: data.shapes[node.kind] ?? data.shapes.file }),
    make("text", { x: 32, y: 19 }, node.label),
  );
  if (node.marks.includes("protected")) box.append(make("path", { class: "lock", transform: `translate(${node.width - 15} 8)`, d: data.lock }));
  box.dataset.place = place;
  return box;
});

const stage = make("g", {}, edges, ...boxes);
const svg = make("svg", { "aria-hidden": "true" }, stage);
area.append(svg);

// What is seen: scale and the graph's point at the left upper corner. It is in the address.
const words = new URLSearchParams(location.search);
const view = { scale: 1, x: 0, y: 0 };

function show() {
  stage.setAttribute("transform", `translate(${-view.x * view.scale} ${-view.y * view.scale}) scale(${view.scale})`);
}

function keep() {
  const address = new URL(location.href);
  address.searchParams.set("view", [view.scale.toFixed(3), Math.round(view.x), Math.round(view.y)].join(","));
  history.replaceState(null, "", address.href.replaceAll("%2C", ","));
}

const [LEAST, MOST, READABLE, MARGIN] = [0.05, 3, 0.62, 16];
const whole = { width: data.width, height: data.height - 14 };

function centre(node) {
  view.x = node.x + node.width / 2 - area.clientWidth / 2 / view.scale;
  view.y = node.y + HEIGHT / 2 - area.clientHeight / 2 / view.scale;
}

// No empty field beside a graph that goes on at the other side.
function inside() {
  const [wide, high] = [area.clientWidth / view.scale, area.clientHeight / view.scale];
  const margin = MARGIN / view.scale;
  const held = (at, room, length) => (length + 2 * margin <= room ? (length - room) / 2 : Math.max(-margin, Math.min(length + margin - room, at)));
  view.x = held(view.x, wide, whole.width);
  view.y = held(view.y, high, whole.height);
}

const room = () => Math.min((area.clientWidth - 2 * MARGIN) / whole.width, (area.clientHeight - 2 * MARGIN) / whole.height);

function fit() {
  view.scale = Math.max(LEAST, Math.min(1.2, room()));
  inside();
}

// Whole where that can be read; otherwise at a size that can, on the thing one came from, else on what is nearest to production.
function open() {
  if (room() >= READABLE) return fit();
  view.scale = 0.9;
  centre(data.nodes.find((node) => node.id === data.focus) ?? data.nodes.reduce((last, node) => (node.x > last.x ? node : last)));
  inside();
}

function zoom(factor, px = area.clientWidth / 2, py = area.clientHeight / 2) {
  const next = Math.max(LEAST, Math.min(MOST, view.scale * factor));
  view.x += px / view.scale - px / next;
  view.y += py / view.scale - py / next;
  view.scale = next;
  show();
  keep();
}

function wholly() {
  fit();
  show();
  keep();
}

const given = (words.get("view") || "").split(",").map(Number);
if (given.length === 3 && given.every(Number.isFinite) && given[0] >= LEAST && given[0] <= MOST) [view.scale, view.x, view.y] = given;
else open();
show();

document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
  if (button.dataset.zoom === "fit") wholly();
  else zoom(button.dataset.zoom === "in" ? 1.25 : 0.8);
}));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
  if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "f" || event.key === "0") wholly();
});

let held = null;
area.addEventListener("pointerdown", (event) => {
  held = { x: event.clientX, y: event.clientY, moved: false };
});
area.addEventListener("pointermove", (event) => {
  if (!held) return;
  const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
  if (!held.moved && Math.hypot(dx, dy) < 4) return;
  if (!held.moved) area.setPointerCapture(event.pointerId);
  held = { x: event.clientX, y: event.clientY, moved: true };
  area.classList.add("moving");
  view.x -= dx / view.scale;
  view.y -= dy / view.scale;
  show();
});
const release = () => {
  if (held?.moved) keep();
  held = null;
  area.classList.remove("moving");
};
area.addEventListener("pointerup", release);
area.addEventListener("pointercancel", release);
area.addEventListener("wheel", (event) => {
  event.preventDefault();
  const bounds = area.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - bounds.left, event.clientY - bounds.top);
}, { passive: false });

const boxOf = (event) => event.target.closest?.(".box");
area.addEventListener("click", (event) => {
  const box = boxOf(event);
  select(box ? Number(box.dataset.place) : -1);
});
area.addEventListener("dblclick", (event) => {
  const box = boxOf(event);
  if (box) location.assign(address(data.nodes[Number(box.dataset.place)]));
});

// Along the arrows by keyboard: left to a cause, right to an effect, up and down within the column.
let chosen = data.nodes.findIndex((node) => node.id === data.focus);
area.addEventListener("keydown", (event) => {
  const here = data.nodes[Math.max(0, chosen)];
  const near = {
    ArrowLeft: () => data.edges.find(([, to]) => to === chosen)?.[0],
    ArrowRight: () => data.edges.find(([from]) => from === chosen)?.[1],
    ArrowUp: () => column(here, -1),
    ArrowDown: () => column(here, 1),
    Enter: () => { if (chosen >= 0) location.assign(here.href); },
  }[event.key];
  if (!near) return;
  event.preventDefault();
  const next = near();
  if (next === undefined) return;
  select(next);
  reveal(data.nodes[next]);
  show();
});

function reveal(node) {
  const [x, y] = [(node.x - view.x) * view.scale, (node.y - view.y) * view.scale];
  if (x < 0 || y < 0 || x + node.width * view.scale > area.clientWidth || y + HEIGHT * view.scale > area.clientHeight) centre(node);
}

function column(here, way) {
  const others = data.nodes.map((node, place) => ({ node, place })).filter(({ node }) => node.x === here.x && (node.y - here.y) * way > 0);
  return others.sort((a, b) => (a.node.y - b.node.y) * way)[0]?.place;
}

function address(node) {
  const to = new URL(location.href);
  to.searchParams.delete("view");
  if (!node.detail.count) to.searchParams.set("focus", node.reference); // what is unfolded stays among what was there
  else to.searchParams.set("unfold", [...new Set([...(to.searchParams.get("unfold") || "").split(",").filter(Boolean), node.id])].join(","));
  return to.href;
}

function line(list, name, value) {
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) return;
  const [term, fact] = [document.createElement("dt"), document.createElement("dd")];
  term.textContent = name;
  fact.textContent = typeof value === "object" ? JSON.stringify(value) : String(value);
  list.append(term, fact);
}

function link(text, href) {
  const found = document.createElement("a");
  found.className = "button";
  found.href = href;
  found.textContent = text;
  return found;
}

function select(place) {
  boxes[chosen]?.classList.remove("chosen");
  chosen = place;
  if (place < 0) {
    boxes.forEach((box) => box.classList.remove("far"));
    facts.innerHTML = legend;
    return;
  }
  boxes[place].classList.add("chosen");
  const node = data.nodes[place];
  const near = new Set(data.edges.flatMap(([from, to]) => (from === place ? [to] : to === place ? [from] : [])));
  boxes.forEach((box, at) => box.classList.toggle("far", at !== place && !near.has(at) && !lit.has(at)));
  const heading = document.createElement("h2");
  heading.textContent = node.name;
  const list = document.createElement("dl");
  line(list, "kind", node.kind);
  line(list, "state", node.marks.join(", "));
  line(list, "when", node.at ? `${new Date(node.at / 1000).toISOString().slice(0, 19).replace("T", " ")} UTC` : "");
  line(list, "reference", node.reference);
  Object.entries(node.detail).filter(([key]) => key !== "members").forEach(([key, value]) => line(list, key, value));
  const buttons = document.createElement("p");
  buttons.className = "buttons";
  if (!node.href.startsWith(`${document.body.dataset.base}/graph`)) buttons.append(link("Open", node.href));
  buttons.append(link(node.detail.count ? "Unfold" : "Centre", address(node)));
  facts.replaceChildren(heading, buttons, list);
}

if (chosen >= 0) boxes[chosen].classList.add("chosen");
