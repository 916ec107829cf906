// ── a pair ──────────────────────────────────────────────────────────────────────────────────────────────────────────
const panel = byId("pair");
const LONG = 600; // characters of a value that has no box of its own
let current = null; // the row that is open, or was opened last
let pointed = ""; // the difference that is marked
const places = new Map(); // what the address names a difference of the open pair by → its line
const isOpen = () => !panel.hidden;
const details = (row) => JSON.parse(texts[row.at + 1]);
const tint = (kind, serious) => ["", "declared", "unsaid", "unsaid"][kind] || (serious ? "money" : "warns");
const side = (row, n) => `${n ? "Right" : "Left"}: ${row.names[n] || "not there"}`;

function table(name, heads, lines) {
  const titles = heads.map((text) => make("th", { scope: "col", role: "columnheader" }, text));
  const head = make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...titles));
  return make("table", { role: "table", class: name }, head, make("tbody", { role: "rowgroup" }, ...lines));
}

// A value of a side: whole, in a box of its own if it is long.
function value(text) {
  if (text.length <= LONG) return figures(text);
  return [make("div", { class: "long", tabindex: "0", role: "group", "aria-label": "A long text" }, text)];
}

function cells(texts, name, last, ...after) {
  const labels = ["", "Left", "Right"];
  const made = texts.map((text, n) => make("td", { role: "cell", ...(n ? { "data-label": labels[n] } : {}) }, ...(n || text.length > LONG ? value(text) : broken(text)), ...(n ? [] : after)));
  made.push(make("td", { role: "cell", class: "kind" }, ...last));
  return make("tr", { role: "row", ...(name ? { class: name } : {}) }, ...made);
}

// The differences: what differs first, then what is declared equal, then what one side does not state; each cause before
// what follows from it, which is indented.
function differences(row, found) {
  const legend = make("small", {}, make("span", {}, "!! changes money, ! does not; what follows from a cause is indented"));
  const title = make("h4", {}, "What is not alike", ...(found.length ? [legend] : []));
  if (!found.length) {
    const alone = !row.names[0] || !row.names[1];
    return [title, make("p", {}, alone ? "It is on one side only: there is nothing to compare it with." : "Nothing differs.")];
  }
  const order = [0, 1, 2, 2];
  const sorted = [...found].sort((a, b) => order[a[3]] - order[b[3]]);
  const lines = sorted.map(([path, left, right, kind, serious, reason, change, follows]) => {
    const words = kind === 1 ? [`= declared equal: ${reason}`] : kind ? [`? ${facts.kinds[kind]}`] : [mark(serious), " "];
    if (change) words.push(...figures(change));
    else if (!kind) words.push(serious ? "changes money" : "differs");
    if (follows) words.push(" ", make("span", { class: "from" }, follows));
    let at = path;
    for (let n = 2; places.has(at); n += 1) at = `${path}~${n}`;
    const label = `Copy the address of ${cut(path)}`;
    const anchor = make("a", { class: "at", "data-at": at, "aria-label": label, title: label }, "#");
    const line = cells([path, left, right], `${tint(kind, serious)}${follows ? " follows" : ""}`, words, " ", anchor);
    places.set(at, line);
    return line;
  });
  return [title, table("beside", ["Field", side(row, 0), side(row, 1), "Change"], lines)];
}

function whole(row, told) {
  if (!told.fields) {
    const text = "The invoices of this row are not in this file, which would be too large. Compare these two alone to see them.";
    return [make("p", { class: "note" }, text)];
  }
  const marks = Object.fromEntries(told.differences.map(([path, , , kind, serious]) => [path, tint(kind, serious)]));
  const fields = told.fields.map(([path, left, right, kind]) => cells([path, left, right], marks[path], [kind]));
  const found = [make("h4", {}, "Both invoices, field by field"), table("beside", ["Field", side(row, 0), side(row, 1), ""], fields)];
  for (const [name, left, right, silent] of told.parts) {
    const columns = [left, right].map((some, n) => {
      const none = row.names[n] ? "None is stated." : "";
      const heads = ["", some.some((one) => one[2]) ? "Amount" : "", ""];
      const shown = some.length ? table("lines", heads, some.map(item)) : make("p", {}, none);
      const note = silent[n] ? [make("p", { class: "hint part" }, "This list is not complete.")] : [];
      return make("div", {}, make("h5", {}, side(row, n)), shown, ...note);
    });
    found.push(make("h4", {}, name), make("div", { class: "columns" }, ...columns));
  }
  const raw = told.raw.map((text, n) => {
    const scrolls = { tabindex: "0", role: "region", "aria-label": side(row, n) };
    const inner = text === null ? make("p", {}, "It was not kept.") : make("pre", scrolls, pretty(text));
    return make("div", {}, make("h5", {}, side(row, n)), inner);
  });
  found.push(make("h4", {}, "The providers' JSON"), make("div", { class: "columns" }, ...raw));
  return found;
}

// An item of a list: its name, its other fields, its amount, its verdict.
function item([title, notes, amount, verdict]) {
  const texts = [[...value(title), ...notes.map((text) => make("small", {}, ...figures(text)))], figures(amount), [verdict]];
  const name = verdict === "none like it" ? { class: "warns" } : {};
  return make("tr", { role: "row", ...name }, ...texts.map((inner) => make("td", { role: "cell" }, ...inner)));
}

// JSON with a line for each value. Nothing is read into numbers, so every digit stays.
function pretty(text) {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  const out = [];
  let depth = 0;
  tokens.forEach((token, n) => {
    const before = tokens[n - 1];
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    const empty = closes && (before === "{" || before === "[");
    if (!empty && (closes || before === "," || before === "{" || before === "[")) out.push("\n", "  ".repeat(depth));
    out.push(token === ":" ? ": " : token);
    if (token === "{" || token === "[") depth += 1;
  });
  return out.join("");
}

const link = (row) => body.rows[matching.indexOf(row) - page * PAGE]?.querySelector("a");

function open(row) {
  const told = details(row);
  current = row;
  pointed = "";
  places.clear();
  byId("pair-name").replaceChildren(`${row.label} `, make("span", { class: `tag ${row.verdict}` }, facts.classes[row.verdict]));
  byId("pair-body").replaceChildren(...differences(row, told.differences), ...whole(row, told));
  const place = matching.indexOf(row);
  panel.querySelector("[data-step='-1']").disabled = place <= 0;
  panel.querySelector("[data-step='1']").disabled = place < 0 || place === matching.length - 1;
  panel.hidden = false;
  panel.scrollTop = 0;
  document.body.classList.add("paired");
  for (const line of body.querySelectorAll("[aria-current]")) line.removeAttribute("aria-current");
  const listed = link(row)?.closest("tr");
  listed?.setAttribute("aria-current", "true");
  listed?.scrollIntoView({ block: "nearest" });
  byId("pair-name").focus({ preventScroll: true });
  panel.scrollIntoView({ block: "nearest" });
}

// Mark the difference that the address names, and go to it. What the pair does not have is left out.
function point(at) {
  for (const [each, line] of places) line.querySelector(".at").href = address({ pair: current.anchor, at: each });
  if (at === pointed) return;
  places.get(pointed)?.removeAttribute("aria-current");
  pointed = at;
  const line = places.get(at);
  if (!line) return;
  line.setAttribute("aria-current", "location");
  line.querySelector(".at").focus({ preventScroll: true });
  line.scrollIntoView({ block: "nearest" });
}

// Back to the row that was read last, which may not be the one that was opened.
function close() {
  if (panel.hidden) return;
  panel.hidden = true;
  document.body.classList.remove("paired");
  for (const line of body.querySelectorAll("[aria-current]")) line.removeAttribute("aria-current");
  const back = current && link(current);
  current = null;
  back?.focus({ preventScroll: true });
  back?.scrollIntoView({ block: "nearest" });
}
