// The API from its own description: every operation with a form, and what the server answered to it.
const place = document.querySelector("[data-api]");
const SHOWN = 200000;

function make(tag, words = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), words);
  made.append(...inside.filter((each) => each !== null));
  return made;
}

async function description() {
  const answer = await fetch(place.dataset.api);
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
}

function operationsOf(document_) {
  const found = [];
  for (const [path, item] of Object.entries(document_.paths)) {
    const base = (item.servers ?? document_.servers)[0].url.replace(/\/$/, "");
    for (const [method, operation] of Object.entries(item)) {
      if (method !== "servers") found.push({ ...operation, method: method.toUpperCase(), path, base });
    }
  }
  return found;
}

function draw(operations) {
  const groups = Map.groupBy ? Map.groupBy(operations, (each) => each.tags[0]) : grouped(operations);
  place.replaceChildren(...[...groups].map(([name, inside]) => make("section", {}, make("h2", { textContent: name }), ...inside.map(entry))));
}

function grouped(operations) {
  const found = new Map();
  operations.forEach((each) => found.set(each.tags[0], [...(found.get(each.tags[0]) ?? []), each]));
  return found;
}

function entry(operation) {
  const changes = operation.method !== "GET";
  const kind = make("span", { className: `method${changes ? " changes" : ""}`, textContent: operation.method });
  const head = make("summary", {}, kind, " ", make("code", { textContent: operation.path }), " ", make("span", { className: "dim", textContent: operation.summary }));
  const made = make("details", { id: operation.operationId, className: "operation" }, head);
  made.dataset.words = `${operation.method} ${operation.path} ${operation.summary} ${operation.operationId}`.toLowerCase();
  made.addEventListener("toggle", () => {
    if (made.open && made.childElementCount === 1) made.append(form(operation, changes));
    if (made.open) history.replaceState(null, "", `#${operation.operationId}`);
  });
  return made;
}

function form(operation, changes) {
  const content = operation.requestBody?.content ?? {};
  const body = content["application/json"]?.schema;
  const raw = Object.keys(content).find((type) => type !== "application/json");
  const answer = make("div", { className: "answer" });
  answer.setAttribute("aria-live", "polite");
  const button = make("button", { className: changes ? (operation.method === "DELETE" ? "primary danger" : "primary") : "", textContent: "Send" });
  const made = make("form", { className: "operation-form" }, make("p", { className: "dim", textContent: `Takes the role ${operation["x-role"]}.` }));
  if (changes) made.append(make("p", { className: "notice warn", textContent: `This changes ${where(operation)}: ${operation.summary.toLowerCase()}. It is an event in your name.` }));
  operation.parameters.forEach((each) => made.append(field(each.name, each.schema, each.required, each.in, each.description)));
  Object.entries(body?.properties ?? {}).forEach(([name, schema]) => made.append(field(name, schema, body.required?.includes(name), "body")));
  if (raw) made.append(make("label", {}, `file (${raw}), instead of the fields above`, Object.assign(make("input", { type: "file" }))));
  made.append(make("p", { className: "buttons" }, button), answer);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    send(operation, made, raw, button, answer);
  });
  return made;
}

const where = (operation) => (operation.tags[0] === "server" ? "the server" : `the project ${place.dataset.project}`);

// One field by its schema; what is left empty is not sent.
function field(name, schema, needed, within, about = "") {
  const types = [schema.type ?? []].flat();
  let input;
  if (schema.enum) input = make("select", {}, make("option", { value: "", textContent: "–" }), ...schema.enum.filter(String).map((each) => make("option", { textContent: each })));
  else if (types.includes("boolean")) input = make("select", {}, ...["", "true", "false"].map((each) => make("option", { value: each, textContent: each || "–" })));
  else if (types.includes("object") || types.includes("array")) input = make("textarea", { rows: 2, placeholder: types.includes("array") ? '["…"]' : '{"key": "…"}' });
  else input = make("input", { type: "text", inputMode: types.includes("integer") ? "numeric" : "text", autocomplete: "off", spellcheck: false });
  Object.assign(input, { name, required: Boolean(needed) });
  Object.assign(input.dataset, { within, json: types.some((each) => ["boolean", "integer", "number", "object", "array"].includes(each)) ? "1" : "" });
  const note = [within === "query" ? "" : within, about].filter(Boolean).join(": ");
  return make("label", {}, make("b", { textContent: name }), needed ? " *" : "", note ? make("span", { className: "dim", textContent: ` ${note}` }) : null, input);
}

// The request that the fields make. Throws what is wrong with a field of JSON.
function request(operation, fields, raw) {
  let path = operation.base + operation.path;
  const query = new URLSearchParams();
  const body = {};
  let file = null;
  for (const input of fields.elements) {
    if (input.type === "file") [file] = input.files;
    if (!input.name || (input.value === "" && input.dataset.within !== "path")) continue;
    if (input.dataset.within === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.dataset.within === "query") query.append(input.name, input.value);
    else body[input.name] = input.dataset.json ? parsed(input) : input.value;
  }
  const address = query.size ? `${path}?${query}` : path;
  if (operation.method === "GET") return [address, { method: "GET" }];
  const type = file ? raw : "application/json";
  return [address, { method: operation.method, headers: { "content-type": type }, body: file ?? JSON.stringify(body) }];
}

function parsed(input) {
  try {
    return JSON.parse(input.value);
  } catch {
    throw new Error(`${input.name} is not JSON`);
  }
}

async function send(operation, fields, raw, button, answer) {
  button.disabled = true;
  const started = performance.now();
  let asked = "";
  try {
    const [address, options] = request(operation, fields, raw);
    asked = `${options.method} ${address}`;
    const found = await fetch(address, options);
    const body = await found.blob();
    answer.replaceChildren(...await told(asked, found, body, performance.now() - started));
  } catch (error) {
    answer.replaceChildren(make("p", { className: "notice bad", textContent: asked ? `${asked}: the server does not answer (${error.message})` : error.message }));
  }
  button.disabled = false;
}

async function told(asked, found, body, milliseconds) {
  const type = found.headers.get("content-type") ?? "";
  const head = make("p", {}, make("b", { className: found.ok ? "change-added" : "change-removed", textContent: `${found.status} ${found.statusText}` }), ` · ${milliseconds.toFixed(0)} ms · ${body.size.toLocaleString("en")} bytes · ${type}`);
  const names = [...found.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const headers = make("details", {}, make("summary", { textContent: "Headers" }), make("pre", { className: "log", textContent: names }));
  const text = /json|^text\//.test(type);
  const shown = text ? pretty(await body.text(), type) : "";
  const save = make("a", { className: "button small", href: URL.createObjectURL(body), download: "answer", textContent: "Save" });
  const cut = shown.length > SHOWN ? make("p", { className: "dim", textContent: `The first ${SHOWN.toLocaleString("en")} characters are shown.` }) : null;
  const line = make("p", { className: "path" }, make("code", { textContent: asked }));
  return [line, head, headers, text ? make("pre", { className: "log", textContent: shown.slice(0, SHOWN) }) : save, ...(cut ? [cut, save] : [])];
}

function pretty(text, type) {
  if (!/json/.test(type) || /ndjson/.test(type)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function find(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  place.querySelectorAll(".operation").forEach((each) => {
    each.hidden = !wanted.every((word) => each.dataset.words.includes(word));
    count += each.hidden ? 0 : 1;
  });
  place.querySelectorAll("section").forEach((each) => { each.hidden = !each.querySelector(".operation:not([hidden])"); });
  document.querySelector("[data-api-count]").textContent = count;
}

try {
  draw(operationsOf(await description()));
  const box = document.querySelector("[data-api-find]");
  box.addEventListener("input", () => find(box.value));
  find(box.value);
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
} catch (error) {
  place.replaceChildren(make("p", { className: "notice bad", textContent: `The description cannot be read: ${error.message}` }));
}
