"use strict";
// The list of invoices: filter, sort, open. Rules of this file: every text reaches the page by textContent; amounts stay
// text, and are compared as whole numbers (BigInt), because a browser's numbers are not exact.

const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const PAGE = 100; // rows shown at once
const PRINTED = 1000; // rows on paper at most

// ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────────
// Two lines a row: one that is read now, and one, with both invoices, that is read when the row opens.
const texts = byId("rows").textContent.split("\n");
const grave = new Set(facts.grave);
const rows = [];
for (let at = 0; at + 1 < texts.length; at += 2) {
  const [verdict, key, names, customer, statuses, currencies, totals, apart, found] = JSON.parse(texts[at]);
  const [left, right] = statuses.map((status) => status ?? facts.missing);
  const differing = found.filter((number) => number % 4 === 0);
  rows.push({
    at, verdict, key, names, customer, left, right, currencies, totals, apart, found,
    label: key || names.filter(Boolean).join(" | "),
    severity: differing.some((number) => grave.has(facts.shapes[number >> 2])) ? "1" : differing.length ? "0" : "",
    searched: [key, ...names, ...customer].join("\n").toLowerCase(),
  });
}
const number = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");

function make(tag, attributes, ...inner) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  made.append(...inner);
  return made;
}

// ── filter and sort ─────────────────────────────────────────────────────────────────────────────────────────────────
const form = byId("filter");
const body = byId("list").tBodies[0];
const dialog = byId("pair");
let matching = rows;
let page = 0;
let order = { by: "class", down: false }; // the gravest first; with "", as the comparison has them

function tests() {
  const asked = Object.fromEntries(new FormData(form));
  const words = asked.text.toLowerCase().split(/\s+/).filter(Boolean);
  const field = asked.field ? facts.shapes.indexOf(asked.field) : -1;
  const kind = asked.kind === "" ? -1 : Number(asked.kind);
  const found = [
    words.length && ((row) => words.every((word) => row.searched.includes(word))),
    asked.class && ((row) => row.verdict === asked.class),
    asked.severity && ((row) => row.severity === asked.severity),
    (field >= 0 || kind >= 0) &&
      ((row) => row.found.some((one) => (field < 0 || one >> 2 === field) && (kind < 0 || one % 4 === kind))),
    asked.currency && ((row) => row.currencies.includes(asked.currency)),
    asked.status === "changed" && ((row) => row.left !== row.right),
    asked.status && asked.status !== "changed" && ((row) => `${row.left}>${row.right}` === asked.status),
  ];
  return found.filter(Boolean);
}

// An amount as a whole number of the smallest unit there is (four decimals); what is not said comes last.
function units(text) {
  if (!text) return null;
  const [whole, rest = ""] = text.replace("+", "").split(" ")[0].split(".");
  return BigInt(whole + rest.padEnd(4, "0"));
}

const classes = Object.keys(facts.classes);
const sorts = {
  key: (row) => row.label,
  class: (row) => 2 * classes.indexOf(row.verdict) - (row.severity === "1"),
  customer: (row) => row.customer[0] ?? null,
  status: (row) => `${row.left} ${row.right}`,
  left: (row) => units(row.totals[0]),
  right: (row) => units(row.totals[1]),
  apart: (row) => units(row.apart),
  fields: (row) => row.found.length || null,
};
const collator = new Intl.Collator("en", { numeric: true });

function sorted(some) {
  const value = sorts[order.by];
  if (!value) return some;
  const turn = order.down ? -1 : 1;
  return some
    .map((row) => [value(row), row])
    .sort(([one, a], [other, b]) => {
      if (one === null || other === null) return (one === null) - (other === null) || a.at - b.at;
      const apart = typeof one === "string" ? collator.compare(one, other) : one < other ? -1 : one > other ? 1 : 0;
      return turn * apart || a.at - b.at;
    })
    .map(([, row]) => row);
}

function refresh() {
  const wanted = tests();
  matching = sorted(wanted.length ? rows.filter((row) => wanted.every((test) => test(row))) : rows);
  page = 0;
  show();
}

// ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────────
const LABELS = [...byId("list").tHead.rows[0].cells].map((cell) => cell.textContent);
const MARKS = ["", " (declared)", " (left does not state)", " (right does not state)"];

function line(row, place) {
  const customer = row.customer.length > 1 ? [row.customer[0], make("small", {}, row.customer[1])] : row.customer;
  const status = row.left === row.right ? [row.left] : [make("span", { class: "moved" }, `${row.left} → ${row.right}`)];
  const what = row.found.slice(0, 4).flatMap((one, n) => [
    n ? ", " : "", facts.shapes[one >> 2], make("span", {}, MARKS[one % 4]),
  ]);
  if (row.found.length > 4) what.push(` and ${row.found.length - 4} more`);
  const differs = row.apart && units(row.apart) !== 0n;
  const cells = [
    ["", make("button", { type: "button", "aria-haspopup": "dialog" }, row.label)],
    ["", make("span", { class: `tag ${row.verdict}` }, facts.classes[row.verdict])],
    ["", ...customer],
    ["", ...status],
    ["amount", row.totals[0]],
    ["amount", row.totals[1]],
    [differs ? "amount apart" : "amount", differs ? row.apart : ""],
    ["what", ...what],
  ];
  return make(
    "tr", { role: "row", "data-place": place },
    ...cells.map(([name, ...inner], n) => {
      const filled = inner.some(Boolean) ? [make("div", {}, ...inner)] : [];
      return make("td", { role: "cell", class: name, "data-label": LABELS[n] }, ...filled);
    }),
  );
}

function show(first = page * PAGE, count = PAGE) {
  const some = matching.slice(first, first + count);
  body.replaceChildren(...some.map((row, n) => line(row, first + n)));
  const last = Math.min(first + count, matching.length);
  const all = matching.length === rows.length ? `${number(rows.length)} rows` : `${number(matching.length)} of ${number(rows.length)} rows`;
  const part = count > PAGE && last < matching.length ? `; the first ${number(last)} are printed` : "";
  byId("count").textContent = matching.length ? all + part : `No row of ${number(rows.length)} is like that.`;
  const pages = byId("pages");
  pages.hidden = matching.length <= PAGE;
  pages.querySelector("span").textContent = `${number(first + 1)} to ${number(last)}`;
  pages.querySelector("[data-step='-1']").disabled = page === 0;
  pages.querySelector("[data-step='1']").disabled = last >= matching.length;
}

form.addEventListener("input", refresh);
form.addEventListener("reset", () => setTimeout(refresh));
form.addEventListener("submit", (event) => event.preventDefault());
byId("list").tHead.addEventListener("click", (event) => {
  const by = event.target.closest("button")?.dataset.sort;
  if (!by) return;
  order = order.by !== by ? { by, down: false } : order.down ? { by: "", down: false } : { by, down: true };
  for (const button of byId("list").tHead.querySelectorAll("button")) {
    const cell = button.closest("th");
    if (button.dataset.sort === order.by) cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
  refresh();
});
byId("pages").addEventListener("click", (event) => {
  const step = Number(event.target.dataset.step ?? 0);
  if (!step) return;
  page += step;
  show();
  byId("list").scrollIntoView();
});
// On paper: all rows that match, or the pair that is open; a modal dialog would be one page cut off at its end.
let reopen = false;
addEventListener("beforeprint", () => {
  show(0, PRINTED);
  reopen = dialog.open;
  if (!reopen) return;
  dialog.close();
  dialog.show();
});
addEventListener("afterprint", () => {
  show();
  if (!reopen) return;
  dialog.close();
  dialog.showModal();
});

// A number of the summary shows its rows: all other filters are cleared.
document.querySelector("main").addEventListener("click", (event) => {
  const data = event.target.closest("button")?.dataset ?? {};
  const names = ["class", "status", "field", "kind"].filter((name) => name in data);
  if (!names.length) return;
  form.reset();
  for (const name of names) form.elements[name].value = data[name];
  setTimeout(() => {
    byId("table").scrollIntoView();
    byId("h-rows").focus({ preventScroll: true });
  });
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, dialog")) return;
  event.preventDefault();
  form.elements.text.focus();
  form.elements.text.select();
});

// ── a pair ──────────────────────────────────────────────────────────────────────────────────────────────────────────
let opened = 0;

const tint = (kind, serious) => ["", "declared", "unsaid", "unsaid"][kind] || (serious ? "money" : "warns");
const side = (row, n) => (row.names[n] ? `${n ? "Right" : "Left"}: ${row.names[n]}` : `${n ? "Right" : "Left"}: not there`);

function table(name, heads, lines) {
  const titles = heads.map((text) => make("th", { scope: "col", role: "columnheader" }, text));
  const head = make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...titles));
  const made = make("table", { role: "table", class: name }, head, make("tbody", { role: "rowgroup" }, ...lines));
  return make("div", { class: "scroll" }, made);
}

function cells(texts, name) {
  const made = texts.map((text, n) => make("td", n === 3 ? { role: "cell", class: "kind" } : { role: "cell" }, text));
  return make("tr", name ? { role: "row", class: name } : { role: "row" }, ...made);
}

function differences(row, found) {
  if (!found.length) {
    const alone = !row.names[0] || !row.names[1];
    return [make("p", {}, alone ? "It stands on one side only: there is nothing to compare it with." : "Nothing differs.")];
  }
  const lines = found.map(([path, left, right, kind, serious, reason]) => {
    const words = kind === 1 ? `= declared equal: ${reason}` : kind ? `? ${facts.kinds[kind]}` : serious ? "!! changes money" : "! differs";
    return cells([path, left, right, words], tint(kind, serious));
  });
  return [make("h3", {}, "What is not alike"), table("beside", ["Field", "Left", "Right", ""], lines)];
}

function whole(row, told) {
  if (!told.fields) {
    const text = "The invoices of this row are not in this file, which would be too large. Compare these two alone to see them.";
    return [make("p", { class: "note" }, text)];
  }
  const marks = Object.fromEntries(told.differences.map(([path, , , kind, serious]) => [path, tint(kind, serious)]));
  const fields = told.fields.map(([path, left, right, kind]) => cells([path, left, right, kind], marks[path]));
  const found = [make("h3", {}, "Both invoices, in the same words"), table("beside", ["Field", side(row, 0), side(row, 1), ""], fields)];
  for (const [name, left, right, silent] of told.parts) {
    const columns = [left, right].map((some, n) => {
      const lines = some.map(item);
      const none = row.names[n] ? "None is stated." : "";
      const shown = some.length ? table("lines", ["", some.some((one) => one[2]) ? "Amount" : "", ""], lines) : make("p", {}, none);
      const note = silent[n] ? [make("p", { class: "hint part" }, "Not all are read.")] : [];
      return make("div", {}, make("h4", {}, side(row, n)), shown, ...note);
    });
    found.push(make("h3", {}, name), make("div", { class: "columns" }, ...columns));
  }
  const raw = told.raw.map((text, n) => {
    const scrolls = { tabindex: "0", role: "region", "aria-label": side(row, n) };
    const inner = text === null ? make("p", {}, "Nothing was kept.") : make("pre", scrolls, pretty(text));
    return make("div", {}, make("h4", {}, side(row, n)), inner);
  });
  found.push(make("h3", {}, "As the providers sent it"), make("div", { class: "columns" }, ...raw));
  return found;
}

// An item of a list: what it is called, what else it says, its amount, what the comparison says of it.
function item([title, notes, amount, mark]) {
  const texts = [[title, ...notes.map((text) => make("small", {}, text))], [amount], [mark]];
  const name = mark === "none like it" ? { class: "warns" } : {};
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

function open(place) {
  const row = matching[place];
  opened = place;
  const told = JSON.parse(texts[row.at + 1]);
  byId("pair-name").replaceChildren(`${row.label} `, make("span", { class: `tag ${row.verdict}` }, facts.classes[row.verdict]));
  byId("pair-body").replaceChildren(...differences(row, told.differences), ...whole(row, told));
  dialog.querySelector("[data-step='-1']").disabled = place === 0;
  dialog.querySelector("[data-step='1']").disabled = place === matching.length - 1;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  byId("pair-name").focus();
}

body.addEventListener("click", (event) => {
  const place = event.target.closest("tr")?.dataset.place;
  if (place !== undefined && !String(getSelection())) open(Number(place));
});
body.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = [...body.querySelectorAll("button")];
  const next = step && buttons[buttons.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});
dialog.addEventListener("click", (event) => {
  const data = event.target.closest("button")?.dataset ?? {};
  if (event.target === dialog || "close" in data) dialog.close();
  else if (data.step) open(opened + Number(data.step));
});
// Back to the row that was looked at last, which may not be the one that was opened.
dialog.addEventListener("close", () => dialog.open || body.querySelector(`tr[data-place="${opened}"] button`)?.focus());

refresh();
