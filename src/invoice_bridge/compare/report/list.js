"use strict";
// The list of invoices: data, filters, order, rows. Rules of these files: every text reaches the page by textContent;
// amounts stay text, and are compared as whole numbers (BigInt), because a browser's numbers are not exact; the address
// after "#" is the only state.

const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const PAGE = 100; // rows shown at once
const PRINTED = 1000; // rows on paper at most
const LONGEST = 160; // characters of a text in the list; the open pair has all of them

function make(tag, attributes, ...inner) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  made.append(...inner);
  return made;
}

const plural = (count, one, many) => [...figures(String(count)), ` ${count === 1 ? one : many}`];
const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
// A path may be cut into lines after a dot or an underscore; what is copied is the path alone. As in page.py.
const broken = (path) => path.split(/(?<=[._])(?=.)/).flatMap((part, n) => (n ? [make("wbr"), part] : [part]));

// Thousands are set apart by a margin: the text, and what is copied, has no space in a number. The same rule as in page.py.
function figures(text) {
  const part = /^\d+$/.test(text) ? /(\d{4,})/ : /(?<![\w.])(\d{4,})(?=(?:\.\d+)? [A-Z]{3}(?!\w))/;
  return text.split(part).flatMap((piece, n) => (n % 2 ? thousands(piece) : piece));
}

function thousands(digits) {
  const first = digits.length % 3 || 3;
  const groups = digits.slice(first).match(/\d{3}/g) ?? [];
  return [digits.slice(0, first), ...groups.map((group) => make("i", {}, group))];
}

// An amount as a whole number of the smallest unit there is (four decimals); what is not stated comes last.
function units(text) {
  if (!text) return null;
  const [whole, rest = ""] = text.replace("+", "").split(" ")[0].split(".");
  return BigInt(whole + rest.padEnd(4, "0"));
}

// ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────────
// Two lines a row: one that is read now, and one, with both invoices, that is read when the row opens.
const texts = byId("rows").textContent.split("\n");
const grave = new Set(facts.grave);
const rows = [];
const anchors = new Map(); // what the address names a pair by → its row
for (let at = 0; at + 1 < texts.length; at += 2) {
  const [verdict, key, names, providers, customer, statuses, currencies, totals, apart, found, groups, causes, others, value] =
    JSON.parse(texts[at]);
  const [left, right] = statuses.map((status) => status ?? facts.missing);
  const differing = found.filter((number) => number % 4 === 0);
  const alone = !names[0] || !names[1];
  const row = {
    at, verdict, key, names, providers, customer, left, right, currencies, totals, apart, found, groups, causes, others,
    label: key || names.filter(Boolean).join(" | "),
    severity: alone || differing.some((number) => grave.has(facts.shapes[number >> 2])) ? "1" : differing.length ? "0" : "",
    value: units(value) ?? -1n,
    searched: [key, ...names, ...customer].join("\n").toLowerCase(),
  };
  row.rank = row.severity ? 1 - row.severity : verdict === "declared_equal" ? 2 : found.length ? 3 : 4;
  row.anchor = row.label;
  for (let n = 2; anchors.has(row.anchor); n += 1) row.anchor = `${row.label}~${n}`;
  anchors.set(row.anchor, row);
  rows.push(row);
}

// ── filter and sort ─────────────────────────────────────────────────────────────────────────────────────────────────
const form = byId("filter");
const body = byId("list").tBodies[0];
const FILTERS = ["text", "class", "severity", "group", "field", "kind", "provider", "currency", "status"];
const asked = () => Object.fromEntries([...FILTERS, "sort"].map((name) => [name, form.elements[name].value]));

function tests(wanted) {
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const field = wanted.field ? facts.shapes.indexOf(wanted.field) : -1;
  const kind = wanted.kind === "" ? -1 : Number(wanted.kind);
  const group = facts.groups.indexOf(wanted.group);
  const all = [
    words.length && ((row) => words.every((word) => row.searched.includes(word))),
    wanted.class && ((row) => row.verdict === wanted.class),
    wanted.severity && ((row) => row.severity === wanted.severity),
    wanted.group && ((row) => row.groups.includes(group)),
    (field >= 0 || kind >= 0) &&
      ((row) => row.found.some((one) => (field < 0 || one >> 2 === field) && (kind < 0 || one % 4 === kind))),
    wanted.provider && ((row) => row.providers.includes(wanted.provider)),
    wanted.currency && ((row) => row.currencies.includes(wanted.currency)),
    wanted.status === "changed" && ((row) => row.left !== row.right),
    wanted.status && wanted.status !== "changed" && ((row) => `${row.left}>${row.right}` === wanted.status),
  ];
  return all.filter(Boolean);
}

const classes = Object.keys(facts.classes);
const sorts = {
  key: (row) => row.label,
  class: (row) => classes.indexOf(row.verdict),
  customer: (row) => row.customer[0] ?? null,
  status: (row) => `${row.left} ${row.right}`,
  left: (row) => units(row.totals[0]),
  right: (row) => units(row.totals[1]),
  apart: (row) => units(row.apart),
  fields: (row) => row.found.length || null,
};
const collator = new Intl.Collator("en", { numeric: true });
const gravest = (a, b) => a.rank - b.rank || (a.value > b.value ? -1 : a.value < b.value ? 1 : a.at - b.at);

function sorted(some, order) {
  if (order === "sides") return some;
  const value = sorts[order.replace("-", "")];
  if (!value) return [...some].sort(gravest);
  const turn = order.startsWith("-") ? -1 : 1;
  return some
    .map((row) => [value(row), row])
    .sort(([one, a], [other, b]) => {
      if (one === null || other === null) return (one === null) - (other === null) || a.at - b.at;
      const apart = typeof one === "string" ? collator.compare(one, other) : one < other ? -1 : one > other ? 1 : 0;
      return turn * apart || a.at - b.at;
    })
    .map(([, row]) => row);
}

function matches(wanted) {
  const all = tests(wanted);
  return sorted(all.length ? rows.filter((row) => all.every((test) => test(row))) : rows, wanted.sort);
}

// ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────────
const LABELS = [...byId("list").tHead.rows[0].cells].map((cell) => cell.textContent);
const MARKS = ["", " (declared)", " (left does not state)", " (right does not state)"];
let matching = rows;
let page = 0;

const mark = (serious) => make("span", { class: serious ? "mark money" : "mark warns" }, serious ? "!!" : "!", make("span", { class: "unseen" }, serious ? " changes money" : " does not change money"));

// The causes; where nothing differs, what is declared equal or not stated.
function what(row) {
  if (!row.causes.length) {
    const some = row.found.slice(0, 4).map((one, n) => `${n ? ", " : ""}${cut(facts.shapes[one >> 2])}${MARKS[one % 4]}`);
    return row.found.length > 4 ? [...some, ` and ${row.found.length - 4} more`] : some;
  }
  const [more, follow] = row.others;
  const lines = row.causes.map(([path, change, serious]) =>
    make("div", {}, mark(serious), " ", make("code", {}, ...broken(cut(path))), " ", make("span", change.length < 25 ? { class: "short" } : {}, ...figures(cut(change)))),
  );
  const rest = [more ? `${more} more` : "", follow ? `${follow} that ${follow === 1 ? "follows" : "follow"}` : ""].filter(Boolean);
  return rest.length ? [...lines, " ", make("small", {}, `and ${rest.join(", and ")}`)] : lines;
}

// A total that an invoice does not state is a dash; of an invoice that is not there the cell is empty.
const total = (row, n) => (row.totals[n] ? figures(row.totals[n]) : row.names[n] ? [make("span", { title: "not stated" }, "–")] : []);

function line(row) {
  const customer = row.customer.slice(0, 2).map((text, n) => (n ? make("small", { title: text }, cut(text)) : cut(text)));
  const alone = row.names.findIndex((name) => !name); // the side that lacks it
  const status = alone >= 0 ? [row.right, row.left][alone] : row.left === row.right ? row.left : make("span", { class: "moved" }, `${row.left} → ${row.right}`);
  const differs = row.apart && units(row.apart) !== 0n;
  const cells = [
    ["key", make("a", { href: address({ pair: row.anchor }) }, cut(row.label))],
    ["verdict", make("span", { class: `tag ${row.verdict}` }, facts.classes[row.verdict])],
    ["customer", ...customer],
    ["status", status],
    ["amount", ...total(row, 0)],
    ["amount", ...total(row, 1)],
    [differs ? "amount apart" : "amount", ...figures(differs ? row.apart : "")],
    ["what", ...what(row)],
  ];
  const made = make(
    "tr", { role: "row" },
    ...cells.map(([name, ...inner], n) => {
      const filled = inner.some(Boolean) ? [make("div", {}, ...inner)] : [];
      return make("td", { role: "cell", class: name, "data-label": LABELS[n] }, ...filled);
    }),
  );
  if (row === current) made.setAttribute("aria-current", "true");
  return made;
}

function show(first = page * PAGE, count = PAGE) {
  const some = matching.slice(first, first + count);
  body.replaceChildren(...some.map(line));
  const last = Math.min(first + count, matching.length);
  const counted = byId("count");
  if (!matching.length) counted.replaceChildren("No row of ", ...figures(String(rows.length)), " matches.");
  else if (matching.length === rows.length) counted.replaceChildren(...plural(rows.length, "row", "rows"));
  else counted.replaceChildren(...figures(String(matching.length)), " of ", ...plural(rows.length, "row", "rows"));
  if (count > PAGE && last < matching.length) counted.append("; the first ", ...figures(String(last)), " are printed");
  const pages = byId("pages");
  pages.hidden = matching.length <= PAGE;
  pages.querySelector("span").replaceChildren(...figures(String(first + 1)), " to ", ...figures(String(last)));
  pages.querySelector("[data-step='-1']").disabled = page === 0;
  pages.querySelector("[data-step='1']").disabled = last >= matching.length;
}
