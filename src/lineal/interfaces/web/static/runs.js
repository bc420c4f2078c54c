// The table of runs: all that match are scrolled through, and only about what is seen is in the page.

import { $, $$, keys } from "./app.js";
import { follow } from "./live.js";

const BLOCK = 100; // rows that are fetched together, as the server's first page has them
const AROUND = 40; // rows kept above and below what is seen
const KEPT = 30; // blocks kept

const box = $("[data-virtual]");
if (box) start();
else if ($("[data-empty]")) wait();

// Where nothing is there yet, the first run brings the table.
function wait() {
  const base = document.body.dataset.base;
  const look = async () => {
    const answer = await fetch(`${base}/api/v1/count`);
    if (answer.ok && (await answer.json()).count) location.reload();
  };
  follow({ address: `${base}/runs/events`, changed: look, arrived: look, poll: look });
  look();
}

function start() {
  const table = $("table", box);
  const body = $("tbody", table);
  const data = box.dataset;
  const base = document.body.dataset.base;
  const begin = Math.floor(Number(data.offset) / BLOCK);
  const blocks = new Map([[begin, { rows: [...body.rows], after: data.after }]]);
  const pending = new Map();
  const spacers = [spacer(), spacer()];
  const waiting = new Map();
  const height = body.rows[0].getBoundingClientRect().height;
  let total = data.known === undefined ? null : Number(data.known);
  let current = -1; // the row that j and k are at
  let drawn = "";

  function spacer() {
    const row = document.createElement("tr");
    row.className = "spacer";
    row.setAttribute("aria-hidden", "true");
    row.append(document.createElement("td"));
    return row;
  }

  function length() {
    if (total !== null) return total;
    const last = Math.max(...blocks.keys());
    const block = blocks.get(last);
    return last * BLOCK + block.rows.length + (block.after ? BLOCK : 0);
  }

  function rowAt(index) {
    return blocks.get(Math.floor(index / BLOCK))?.rows[index % BLOCK];
  }

  // Only what is new is put in, and only what is far is taken out: what has the focus is not touched.
  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / height) - AROUND);
    const last = Math.min(length(), Math.ceil((box.scrollTop + box.clientHeight) / height) + AROUND);
    for (let block = Math.floor(first / BLOCK); block * BLOCK < last; block += 1) ask(block);
    const state = [first, last, length(), [...blocks.keys()].join()].join("|");
    if (state === drawn) return;
    drawn = state;
    const wanted = [spacers[0]];
    for (let index = first; index < last; index += 1) {
      const row = rowAt(index) ?? placeholder(index);
      if (rowAt(index)) mark(row, index);
      wanted.push(row);
    }
    for (const index of waiting.keys()) if (index < first || index >= last || rowAt(index)) waiting.delete(index);
    wanted.push(spacers[1]);
    const keep = new Set(wanted);
    for (const row of [...body.rows]) if (!keep.has(row)) row.remove();
    let at = null;
    for (const row of wanted) {
      const next = at ? at.nextSibling : body.firstChild;
      if (next !== row) body.insertBefore(row, next);
      at = row;
    }
    spacers[0].firstChild.style.height = `${first * height}px`;
    spacers[1].firstChild.style.height = `${(length() - last) * height}px`;
    spacers[0].hidden = first === 0;
    spacers[1].hidden = last >= length();
  }

  // Each has its own place, so that none moves when rows come.
  function placeholder(index) {
    if (waiting.has(index)) return waiting.get(index);
    const row = document.createElement("tr");
    row.className = "wait";
    const cell = document.createElement("td");
    cell.colSpan = table.tHead.rows[0].cells.length;
    cell.textContent = "…";
    row.append(cell);
    waiting.set(index, row);
    return row;
  }

  const chosen = () => new Set((new URLSearchParams(location.search).get("selected") || "").split(","));

  function mark(row, index) {
    row.setAttribute("aria-rowindex", index + 2);
    row.classList.toggle("at", index === current);
    const pick = $("[data-pick]", row);
    if (pick && !body.contains(row)) pick.checked = chosen().has(pick.value);
  }

  function ask(block) {
    if (blocks.has(block) || pending.has(block) || block < 0) return;
    const words = new URLSearchParams(data.query);
    const before = blocks.get(block - 1)?.after;
    if (before) words.set("after", before);
    else words.set("offset", block * BLOCK);
    const stop = new AbortController();
    pending.set(block, stop);
    // What is only scrolled past is not asked for.
    setTimeout(() => fetchRows(words, stop.signal).then((found) => take(block, found), () => pending.delete(block)), before ? 0 : 80);
  }

  async function fetchRows(words, signal) {
    if (signal?.aborted) throw signal.reason;
    words.set("columns", data.keys);
    const answer = await fetch(`${base}/runs/rows?${words}`, { signal });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const rows = $("tbody", page);
    return { rows: [...rows.rows].map((row) => document.adoptNode(row)), after: rows.dataset.after };
  }

  function take(block, found) {
    pending.delete(block);
    blocks.set(block, found);
    if (!found.after) setTotal(block * BLOCK + found.rows.length);
    forget(block);
    draw();
  }

  // What lies farthest from the last block that came is fetched again when it is seen again.
  function forget(near) {
    const far = [...blocks.keys()].sort((a, b) => Math.abs(b - near) - Math.abs(a - near));
    while (blocks.size > KEPT) blocks.delete(far.shift());
  }

  function setTotal(count) {
    total = count;
    $("[data-total]").textContent = count.toLocaleString("en");
    table.setAttribute("aria-rowcount", count + 1);
  }

  async function countAll() {
    const answer = await fetch(`${base}/api/v1/count?${new URLSearchParams({ where: data.where })}`);
    if (!answer.ok) return total;
    setTotal((await answer.json()).count);
    draw();
    return total;
  }

  // The widths stay as they are: rows that come later move nothing.
  function freeze() {
    $("colgroup", table)?.remove();
    table.style.tableLayout = "";
    table.style.width = "";
    const heads = [...table.tHead.rows[0].cells];
    const saved = JSON.parse(localStorage.getItem("lineal.widths") || "{}");
    const widths = heads.map((head) => saved[head.textContent.trim()] ?? Math.ceil(head.getBoundingClientRect().width));
    const group = document.createElement("colgroup");
    widths.forEach((width) => {
      const column = document.createElement("col");
      column.style.width = `${width}px`;
      group.append(column);
    });
    table.prepend(group);
    table.style.tableLayout = "fixed";
    table.style.width = `${widths.reduce((sum, width) => sum + width, 0)}px`;
    heads.slice(1).forEach((head, place) => grip(head, group.children[place + 1]));
  }

  function grip(head, column) {
    const handle = $(".grip", head) ?? document.createElement("span");
    handle.className = "grip";
    head.append(handle);
    handle.onpointerdown = (event) => {
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      const [from, width, whole] = [event.clientX, parseFloat(column.style.width), parseFloat(table.style.width)];
      handle.onpointermove = (moved) => {
        const wide = Math.max(48, width + moved.clientX - from);
        column.style.width = `${wide}px`;
        table.style.width = `${whole + wide - width}px`;
      };
      handle.onpointerup = () => {
        handle.onpointermove = null;
        const saved = JSON.parse(localStorage.getItem("lineal.widths") || "{}");
        saved[head.textContent.trim()] = parseFloat(column.style.width);
        localStorage.setItem("lineal.widths", JSON.stringify(saved));
      };
    };
  }

  function move(by) {
    const top = Math.floor(box.scrollTop / height);
    current = current < 0 ? top : Math.max(0, Math.min(length() - 1, current + by));
    const above = current * height;
    const room = box.clientHeight - table.tHead.offsetHeight - height;
    if (above < box.scrollTop) box.scrollTop = above;
    else if (above > box.scrollTop + room) box.scrollTop = above - room;
    drawn = "";
    draw();
    $("a", rowAt(current) ?? null)?.focus({ preventScroll: true });
  }

  keys.j = () => move(1);
  keys.k = () => move(-1);
  keys.x = () => {
    const pick = rowAt(current) && $("[data-pick]", rowAt(current));
    if (pick) pick.click();
  };

  let later = 0;
  box.addEventListener("scroll", () => {
    requestAnimationFrame(draw);
    clearTimeout(later);
    later = setTimeout(() => {
      history.replaceState({ ...history.state, top: box.scrollTop, total }, "");
      const [first, last] = [box.scrollTop / height - BLOCK * 2, (box.scrollTop + box.clientHeight) / height + BLOCK * 2];
      for (const [block, stop] of pending) if ((block + 1) * BLOCK < first || block * BLOCK > last) stop.abort();
    }, 150);
  }, { passive: true });
  addEventListener("resize", () => { freeze(); drawn = ""; draw(); });

  // What runs changes in place; what is new waits until it is asked for, unless one looks at the top.
  async function refresh(ids) {
    const shown = ids ?? $$("[data-running]", body).map((row) => row.dataset.row);
    const seen = shown.filter((id) => $(`[data-row="${CSS.escape(id)}"]`, body));
    for (let at = 0; at < seen.length; at += BLOCK) {
      const words = new URLSearchParams({ runs: seen.slice(at, at + BLOCK).join(",") });
      const found = await fetchRows(words).catch(() => ({ rows: [] }));
      found.rows.forEach(renew);
    }
  }

  // Cell by cell, so that what has the focus keeps it.
  function renew(fresh) {
    const row = $(`[data-row="${CSS.escape(fresh.dataset.row)}"]`, body);
    if (!row) return;
    [...fresh.cells].forEach((cell, place) => {
      const old = row.cells[place];
      if (place === 0 || old.contains(document.activeElement)) return;
      if (old.innerHTML !== cell.innerHTML) old.innerHTML = cell.innerHTML;
    });
    row.toggleAttribute("data-running", fresh.hasAttribute("data-running"));
    row.classList.toggle("mistake", fresh.classList.contains("mistake"));
  }

  const news = $("[data-news]");
  let known = null;
  async function arrived() {
    const before = known ?? total;
    known = await countAll();
    if (before === null || known <= before) return;
    if (box.scrollTop < height && !data.query.includes("order=") && !Number(data.offset)) return toTop();
    const many = known - (news.hidden ? before : Number(news.dataset.before));
    if (news.hidden) news.dataset.before = before;
    news.textContent = `${many} new`;
    news.hidden = false;
  }

  // New rows stand at the top; those that were there keep their elements, and with them focus and selection.
  async function toTop() {
    news.hidden = true;
    const found = await fetchRows(new URLSearchParams(data.query)).catch(() => null);
    if (!found) return;
    const old = new Map([...blocks.values()].flatMap((block) => block.rows).map((row) => [row.dataset.row, row]));
    found.rows = found.rows.map((row) => old.get(row.dataset.row) ?? row);
    blocks.clear();
    blocks.set(0, found);
    pending.forEach((stop) => stop.abort());
    pending.clear();
    if (current >= 0) current = found.rows.findIndex((row) => row.classList.contains("at"));
    drawn = "";
    draw();
  }
  news.addEventListener("click", () => { box.scrollTop = 0; toTop(); });

  freeze();
  $("[data-pager]").hidden = true;
  const back = history.state?.top ?? begin * BLOCK * height;
  if (history.state?.total && total === null) total = history.state.total;
  draw();
  if (back) box.scrollTop = back;
  draw();
  requestAnimationFrame(() => setTimeout(async () => {
    if (data.known === undefined) known = await countAll();
    else known = total;
    follow({ address: `${base}/runs/events`, changed: refresh, arrived, poll: () => { refresh(null); arrived(); } });
  }));
}
