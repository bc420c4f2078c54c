// What every page does: keys, theme, copying, selecting rows, sending changes, times that go on.

export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

let toastTimer = 0;
export function toast(text, kind = "") {
  const box = $(".toast");
  box.textContent = text;
  box.className = `toast ${kind}`;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, kind === "bad" ? 8000 : 1800);
}

// Changes go to the API as JSON; what was typed stays where it was if they are refused, and a form says why itself.
async function send(method, address, body, form = null) {
  let answer;
  try {
    answer = await fetch(address, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
  } catch {
    return refuse(form, "The server does not answer. Is `lineal ui` still running?");
  }
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  return refuse(form, [found.detail || `HTTP ${answer.status}`, found.hint].filter(Boolean).join(" — "));
}

function refuse(form, why) {
  if (!form?.closest("dialog")) {
    toast(why, "bad");
    return null;
  }
  const said = $(".refusal", form) ?? document.createElement("p");
  said.className = "notice bad refusal";
  said.setAttribute("role", "alert");
  said.textContent = why;
  $(".buttons", form).before(said);
  return null;
}

function busy(element, on) {
  if (on) element.setAttribute("aria-busy", "true");
  else element.removeAttribute("aria-busy");
  const button = element.matches("form") ? $("button:not([type])", element) : element;
  if (!button) return;
  button.disabled = on;
  if (element.dataset.busy && on) [button.dataset.label, button.textContent] = [button.textContent, element.dataset.busy];
  else if (button.dataset.label) button.textContent = button.dataset.label;
}

async function act(element, method, address, body) {
  const question = element.dataset.confirm;
  if (question && !confirm(question)) return;
  busy(element, true);
  const found = await send(method, address, body, element.matches("form") ? element : null);
  if (!found) return busy(element, false);
  if (element.dataset.show) return reveal(element, found);
  if (element.dataset.then) location.assign(element.dataset.then.replace(/\{(\w+)\}/g, (_, key) => encodeURIComponent(found[key])));
  else location.reload();
}

// What is told once: a secret, or a link with a code.
function reveal(element, found) {
  busy(element, false);
  element.closest("dialog")?.close();
  let text = element.dataset.show.replace(/\{(\w+)\}/g, (_, key) => found[key]);
  if (text.startsWith("/")) text = location.origin + text;
  const box = $("[data-shown]");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "command";
  button.dataset.copy = text;
  button.textContent = text;
  box.replaceChildren("Shown once, click to copy: ", button);
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
  refresh();
}

// What is marked as fresh is asked for anew, so that a list has what was just made while the secret stays in view.
async function refresh() {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  $$("[data-fresh]").forEach((old) => {
    const found = page.getElementById(old.id);
    if (found) old.replaceWith(found);
  });
}

// A form's fields with their types: switches are true or false, lists are lists.
function fieldsOf(form) {
  const fields = {};
  for (const input of form.elements) {
    if (!input.name) continue;
    if (input.dataset.list !== undefined) {
      fields[input.name] ??= [];
      if (input.checked) fields[input.name].push(input.value);
    } else fields[input.name] = input.dataset.switch !== undefined ? input.checked : input.value;
  }
  return fields;
}

async function tag(place, tags) {
  if (await send("POST", place.closest("[data-tags]").dataset.tags, { tags })) location.reload();
}

document.addEventListener("click", (event) => {
  const element = event.target.closest("button, a");
  if (!element) return;
  const data = element.dataset;
  if (data.copyLink !== undefined) copy(new URL(data.copyLink, location).href);
  else if (data.copy !== undefined) copy(data.copy);
  else if (data.post) act(element, data.method ?? "POST", data.post, data.body ? JSON.parse(data.body) : {});
  else if (data.delete) act(element, "DELETE", data.delete, data.body ? JSON.parse(data.body) : {});
  else if (data.untag !== undefined) tag(element, { [data.untag]: "" });
  else if (data.dialog) document.getElementById(data.dialog).showModal();
  else if (data.close !== undefined) element.closest("dialog").close();
  else if (data.help !== undefined) $("dialog.keys").showModal();
  else if (data.themeSwitch !== undefined) switchTheme();
  else if (data.compare !== undefined) compare();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  const data = form.dataset;
  const fields = fieldsOf(form);
  if (data.postForm) {
    event.preventDefault();
    act(form, "POST", data.postForm, fields);
  } else if (data.putForm) {
    event.preventDefault();
    const { [data.putKey ?? "alias"]: last, ...rest } = fields;
    act(form, "PUT", data.putForm + encodeURIComponent(last), rest);
  } else if (data.tag !== undefined) {
    event.preventDefault();
    const [key, ...rest] = fields.tag.split("=");
    tag(form, { [key.trim()]: rest.join("=").trim() || "yes" });
  } else if (data.annotate) {
    event.preventDefault();
    send("POST", data.annotate, fields).then((found) => {
      if (!found) return;
      toast("Saved");
      form.dispatchEvent(new CustomEvent("lineal:saved"));
    });
  } else if (form.method === "get") {
    // Empty words stay out of the address, and columns only go in once they were chosen.
    $$("input, select", form).forEach((input) => { if (!input.value || input.dataset.unchanged !== undefined) input.disabled = true; });
    setTimeout(() => $$(":disabled", form).forEach((input) => { input.disabled = false; }), 0);
  }
});

document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.dataset.put) send("PUT", input.dataset.put, { [input.dataset.field]: input.value }).then((found) => found && toast("Saved"));
  if (input.dataset.submit !== undefined) input.form.requestSubmit();
  if (input.closest("[data-columns]")) $$("[data-unchanged]", input.form).forEach((other) => delete other.dataset.unchanged);
  if (input.dataset.pick !== undefined || input.dataset.all !== undefined) {
    if (input.dataset.all !== undefined) $$("[data-pick]").forEach((pick) => { pick.checked = input.checked; });
    showSelection();
  }
});

function copy(text) {
  navigator.clipboard.writeText(text).then(() => toast("Copied"), () => toast("The browser did not let it be copied", "bad"));
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme};path=/;max-age=31536000;samesite=strict`;
  document.dispatchEvent(new CustomEvent("lineal:theme"));
}

// The selection is in the address, so that a link shows it; what is selected on other pages of the table stays selected.
function selected() {
  const kept = (new URLSearchParams(location.search).get("selected") || "").split(",").filter(Boolean);
  const here = $$("[data-pick]");
  const away = kept.filter((id) => !here.some((pick) => pick.value === id));
  return [...away, ...here.filter((pick) => pick.checked).map((pick) => pick.value)];
}

function showSelection() {
  const ids = selected();
  const address = new URL(location.href);
  if (ids.length) address.searchParams.set("selected", ids.join(","));
  else address.searchParams.delete("selected");
  const text = address.href.replaceAll("%2C", ",");
  if (text !== location.href) history.replaceState(history.state, "", text);
  $$(".pager a, thead a").forEach((link) => {
    const to = new URL(link.href);
    if (ids.length) to.searchParams.set("selected", ids.join(","));
    else to.searchParams.delete("selected");
    link.href = to.href.replaceAll("%2C", ",");
  });
  const button = $("[data-compare]");
  if (!button) return;
  button.disabled = ids.length < 2;
  $("[data-count]", button).textContent = ids.length ? ids.length : "";
}

function compare() {
  const ids = selected();
  if (ids.length > 1) location.assign(`${document.body.dataset.base}/compare?runs=${ids.join(",")}`);
  else toast("Select at least two runs with x");
}

// Keys. A letter after g is a place.
let row = -1;
let after = "";
const places = Object.fromEntries($$(".rail a").map((link) => [link.title.split(" ")[1], link.href]));

function move(by) {
  const rows = $$("[data-row]");
  if (!rows.length) return;
  row = Math.max(0, Math.min(rows.length - 1, row + by));
  rows.forEach((each, index) => each.classList.toggle("at", index === row));
  rows[row].scrollIntoView({ block: "nearest" });
  $("a", rows[row])?.focus({ preventScroll: true });
}

export const keys = {
  "/": () => { const box = $("input.where") || $("[data-key='/']"); box.focus(); box.select(); },
  j: () => move(1),
  k: () => move(row < 0 ? 1 : -1),
  x: () => { const pick = $$("[data-row]")[row]?.querySelector("[data-pick]"); if (pick) { pick.checked = !pick.checked; showSelection(); } },
  c: compare,
  "?": () => $("dialog.keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog[open]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (after === "g" && places[event.key]) {
    event.preventDefault();
    location.assign(places[event.key]);
  } else if (event.key === "g") {
    after = "g";
    setTimeout(() => { after = ""; }, 1200);
    return;
  } else if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
  after = "";
});

// MLflow's client prints addresses of its own pages: they lead to ours.
const theirs = location.hash.match(/^#\/experiments\/\d+(?:\/runs\/([0-9a-f]{32}))?/);
if (theirs) {
  const base = document.body.dataset.base || "/projects/default";
  location.replace(theirs[1] ? `${base}/runs/${theirs[1]}` : `${base}/runs`);
}

// "3 min ago" goes on counting.
const units = [[31557600, "y"], [2629800, "mo"], [604800, "w"], [86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
function tick() {
  const now = Date.now() / 1000;
  $$("time[data-at]").forEach((time) => {
    const seconds = now - Number(time.dataset.at) / 1e6;
    if (seconds < 10) return;
    const [size, unit] = units.find(([each]) => seconds >= each);
    const text = `${Math.floor(seconds / size)} ${unit} ago`;
    if (time.textContent !== text) time.textContent = text;
  });
}
setInterval(tick, 15000);

// The strip opens on its own thing.
$$(".strip .scroll").forEach((strip) => {
  const here = $("[data-focus] rect", strip);
  if (!here) return;
  strip.scrollLeft = Number(here.getAttribute("x")) - strip.clientWidth / 2 + 86;
  strip.scrollTop = Number(here.getAttribute("y")) - strip.clientHeight / 2 + 15;
});

showSelection();
