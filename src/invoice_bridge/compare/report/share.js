// ── copy and save ───────────────────────────────────────────────────────────────────────────────────────────────────
const width = (text) => [...text].length;

// A row as the command prints it: see Row.lines() in result.py.
function asText(row) {
  const names = row.names.map((name) => name || "nothing");
  const head = `${row.key ? `${row.key}  ` : ""}${names[0]} | ${names[1]}  ${row.verdict.replaceAll("_", " ")}`;
  const lines = details(row).differences.map(([path, left, right, kind, serious, reason, change, follows]) => {
    const sign = kind ? "" : serious ? "!!" : "!";
    const note = [kind === 1 ? `declared equal: ${reason}` : kind ? "one side does not state" : change.split(" ")[0], follows];
    return [`  ${sign.padEnd(2)} ${path}`, left, `| ${right}`, note.filter(Boolean).join("  ")];
  });
  const widths = [0, 1, 2, 3].map((n) => lines.reduce((most, line) => Math.max(most, width(line[n])), 0));
  const columns = lines.map((line) => line.map((text, n) => text + " ".repeat(widths[n] - width(text))).join("  ").trimEnd());
  return [head, ...columns].join("\n");
}

// A text in a cell of a Markdown table: nothing in it is markup.
function cell(text) {
  return text.replace(/[\\`*_{}[\]<>()#+!|~&-]/g, (sign) => ("<>&".includes(sign) ? { "<": "&lt;", ">": "&gt;", "&": "&amp;" }[sign] : `\\${sign}`));
}

const tableOf = (heads, lines) => [heads, heads.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");

function pairAsMarkdown(row) {
  const lines = details(row).differences.map(([path, left, right, kind, serious, reason, change, follows]) => {
    const words = kind === 1 ? `declared equal: ${reason}` : kind ? facts.kinds[kind] : serious ? "changes money" : "differs";
    return [path, left, right, change, [words, follows].filter(Boolean).join(", ")].map(cell);
  });
  const head = `**${cell(row.label)}**: ${cell(row.names.map((name) => name || "nothing").join(" and "))}, ${facts.classes[row.verdict]}`;
  return lines.length ? `${head}\n\n${tableOf(["Field", "Left", "Right", "Change", ""], lines)}` : head;
}

const causesOf = (row) => row.causes.map(([path, change]) => [path, change].filter(Boolean).join(" ")).join("; ");

function listAsMarkdown(some) {
  const lines = some.map((row) => [row.label, facts.classes[row.verdict], ...row.totals, row.apart, causesOf(row)].map(cell));
  return tableOf(["Reference", "Class", "Left total", "Right total", "Difference", "Cause"], lines);
}

const COLUMNS = [
  "reference", "class", "severity", "left_provider", "left_id", "right_provider", "right_id", "customer", "left_status",
  "right_status", "currency", "left_total", "right_total", "difference", "causes",
];

function asCsv(some) {
  const plain = (text) => text.split(" ")[0].replace("+", "");
  const id = (row, n) => row.names[n].slice(row.names[n] && row.providers[n].length + 1);
  const severity = { 1: "changes money", 0: "does not change money", "": "" };
  const lines = some.map((row) => [
    row.label, facts.classes[row.verdict], severity[row.severity], row.providers[0], id(row, 0), row.providers[1], id(row, 1),
    row.customer.join(" "), row.left, row.right, row.currencies.join(" "), plain(row.totals[0]), plain(row.totals[1]),
    plain(row.apart), causesOf(row),
  ]);
  return [COLUMNS, ...lines].map((line) => line.map(field).join(",") + "\r\n").join("");
}

// A field of a CSV file. A spreadsheet would run a text that begins like a formula; an apostrophe makes it a text.
function field(text) {
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

// The byte order mark makes spreadsheets read UTF-8.
function save() {
  const file = URL.createObjectURL(new Blob(["\ufeff", asCsv(matching)], { type: "text/csv;charset=utf-8" }));
  const saved = make("a", { href: file, download: "comparison.csv" });
  saved.click();
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
  note("Saved ", ...plural(matching.length, "row", "rows"), " as comparison.csv.");
}

// Copy, and state what was copied; whether the browser allowed it.
async function copy(as) {
  const row = isOpen() ? current : null;
  const text =
    as === "link" ? location.href
    : as === "markdown" ? (row ? pairAsMarkdown(row) : listAsMarkdown(matching))
    : (row ? [row] : matching).map(asText).join("\n");
  const subject = as === "link" ? [places.has(pointed) ? "the address of this difference" : "the address"] : row ? ["this pair"] : plural(matching.length, "row", "rows");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copyOld(text)) {
      note("The browser does not let this page copy.");
      return false;
    }
  }
  note("Copied ", ...subject, { link: ".", markdown: " as Markdown.", text: " as text." }[as]);
  return true;
}

// Where the page has no clipboard: it was not opened from disk, nor over https.
function copyOld(text) {
  const back = document.activeElement;
  const area = make("textarea", { class: "unseen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  back?.focus({ preventScroll: true });
  return done;
}

function note(...parts) {
  for (const place of document.querySelectorAll(".copied")) place.replaceChildren();
  (isOpen() ? panel : document).querySelector(".copied").append(...parts);
}
