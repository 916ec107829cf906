// ── the address ─────────────────────────────────────────────────────────────────────────────────────────────────────
// Filters, order, page, the open pair and its marked difference are in the address: it can be sent, kept, and gone back from.
const TITLE = document.title;
let shown = null; // the filters and order of the list that is shown
let typing = false;
let kept = {}; // what the address states, or stated before it became that of a part of the page

// The address of a part of the page ("#h-totals") has none of it: the browser's history keeps it there.
function state() {
  const text = location.hash.slice(1);
  if (!text || text.includes("=")) kept = Object.fromEntries(new URLSearchParams(text));
  else if (history.state) kept = history.state;
  else history.replaceState(kept, "");
  return kept;
}

function address(changes) {
  const next = { ...state(), ..."pair" in changes ? { at: "" } : {}, ...changes }; // a difference is one of its pair
  const wanted = [...FILTERS, "sort", "page", "pair", ...next.pair ? ["at"] : []].filter((name) => next[name]).map((name) => [name, next[name]]);
  return `#${new URLSearchParams(wanted)}`;
}

function go(changes, replace = false) {
  const next = address(changes);
  if (next === (location.hash || "#")) return;
  try {
    history[replace ? "replaceState" : "pushState"](null, "", next);
  } catch {
    location.hash = next; // Safari refuses more than a hundred in half a minute
  }
  apply();
}

// Show what the address states. What it names and the file does not have is left out.
function apply() {
  const wanted = state();
  for (const name of [...FILTERS, "sort"]) {
    const control = form.elements[name];
    if (control.value !== (wanted[name] ?? "")) control.value = wanted[name] ?? ""; // else the cursor stays
    if (control.selectedIndex < 0) control.value = "";
  }
  const filters = asked();
  const key = JSON.stringify(filters);
  const row = anchors.get(wanted.pair ?? "") ?? null;
  const again = key !== shown;
  if (again) matching = matches(filters);
  shown = key;
  const place = row === null ? -1 : matching.indexOf(row);
  const last = Math.max(0, Math.ceil(matching.length / PAGE) - 1);
  const next = place >= 0 ? Math.floor(place / PAGE) : Math.min(Math.max(0, Math.floor(wanted.page ?? 1) - 1 || 0), last);
  const turned = next !== page;
  page = next;
  if (again || turned || !body.rows.length) show();
  else for (const [n, line] of [...body.rows].entries()) line.querySelector("a").href = address({ pair: matching[page * PAGE + n].anchor });
  pressed(filters);
  document.title = row === null ? TITLE : `${cut(row.label)} – ${TITLE}`;
  if (row === null) close();
  else if (row !== current || !isOpen()) open(row);
  if (row !== null) point(wanted.at ?? "");
}

// Which buttons and headings agree with the filters.
function pressed(filters) {
  const count = FILTERS.filter((name) => filters[name] && name !== "text").length;
  byId("chosen").replaceChildren(...FILTERS.filter((name) => filters[name]).flatMap((name, n) => chosen(name, n)));
  byId("more").firstChild.textContent = count ? `Filters (${count})` : "Filters";
  form.querySelector("[type=reset]").disabled = !FILTERS.some((name) => filters[name]);
  for (const button of document.querySelectorAll("[data-class], [data-group], [data-status], [data-field]"))
    button.setAttribute("aria-pressed", String(own(button.dataset).every(([name, text]) => filters[name] === text)));
  for (const button of byId("list").tHead.querySelectorAll("button")) {
    const [by, down] = [filters.sort.replace("-", ""), filters.sort.startsWith("-")];
    if (button.dataset.sort === by) button.closest("th").setAttribute("aria-sort", down ? "descending" : "ascending");
    else button.closest("th").removeAttribute("aria-sort");
  }
}

// A filter that is set, as its label and its value: also where the filters are folded, and on paper.
function chosen(name, n) {
  const control = form.elements[name];
  const [label, text] = name === "text" ? ["Text", control.value] : [control.closest("label").firstChild.textContent, control.selectedOptions[0].text];
  return [n ? "; " : "", `${label} `, make("b", {}, cut(text))];
}

const own = (data) => ["class", "group", "status", "field", "kind"].filter((name) => name in data).map((name) => [name, data[name]]);
const none = () => Object.fromEntries(FILTERS.map((name) => [name, ""]));

form.addEventListener("input", (event) => {
  const text = event.target.name === "text";
  go({ ...asked(), page: "", pair: "" }, text && typing);
  typing = text;
});
form.addEventListener("focusout", () => { typing = false; });
form.addEventListener("reset", (event) => {
  event.preventDefault();
  form.elements.text.value = "";
  if (document.activeElement?.type === "reset") byId("more").focus(); // else the focus is on what is disabled now
  go({ ...none(), page: "", pair: "" });
});
form.addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", (event) => {
  const opens = form.classList.toggle("open");
  event.currentTarget.setAttribute("aria-expanded", String(opens));
});
byId("list").tHead.addEventListener("click", (event) => {
  const by = event.target.closest("button")?.dataset.sort;
  const now = form.elements.sort.value;
  if (by) go({ sort: now === by ? `-${by}` : now === `-${by}` ? "" : by, page: "" });
});
byId("pages").addEventListener("click", (event) => {
  const step = Number(event.target.dataset.step ?? 0);
  if (step) turn(step);
});

function turn(step) {
  go({ page: String(page + 1 + step), pair: "" });
  byId("list").scrollIntoView();
}

// A number of the summary shows its rows: all other filters are cleared. A second click shows all rows again.
document.querySelector("main").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const wanted = own(button?.dataset ?? {});
  if (!wanted.length) return;
  const off = button.getAttribute("aria-pressed") === "true";
  form.elements.text.value = "";
  go({ ...none(), ...(off ? {} : Object.fromEntries(wanted)), page: "", pair: "" });
  if (button.closest("#table")) return;
  byId("table").scrollIntoView();
  byId("h-rows").focus({ preventScroll: true });
});
// The address of a difference is copied, and is no entry of the history: Back closes the pair.
byId("pair-body").addEventListener("click", (event) => {
  const anchor = event.target.closest("a.at");
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go({ pair: current.anchor, at: anchor.dataset.at }, true);
  for (const line of places.values()) line.querySelector(".at").classList.remove("done");
  copy("link").then((done) => anchor.classList.toggle("done", done)); // a phone may not show the note above
});
body.addEventListener("click", (event) => {
  const anchor = event.target.closest("tr")?.querySelector("a");
  if (anchor && !event.target.closest("a") && !String(getSelection())) anchor.click();
});
document.addEventListener("click", (event) => {
  const data = event.target.closest("button")?.dataset ?? {};
  if ("copy" in data) copy(data.copy);
  else if ("save" in data) save();
  else if ("keys" in data) byId("keys").showModal();
  else if ("close" in data) event.target.closest("dialog") ? byId("keys").close() : leave();
  else if (data.step && event.target.closest("#pair")) step(Number(data.step));
});

// The list stays at the page of the pair that is closed.
const leave = () => go({ pair: "", page: page ? String(page + 1) : "" });

// ── the keyboard ────────────────────────────────────────────────────────────────────────────────────────────────────
// To the next pair if one is open, else along the rows. A step is no entry of the history.
function step(by) {
  if (isOpen()) {
    const next = matching[matching.indexOf(current) + by];
    if (next && matching.includes(current)) go({ pair: next.anchor, page: "" }, true);
    return;
  }
  const links = [...body.querySelectorAll("a")];
  const place = links.indexOf(document.activeElement);
  const next = links[place < 0 ? (by > 0 ? 0 : -1) : place + by];
  if (next) next.focus();
  else if (place >= 0 && !byId("pages").querySelector(`[data-step='${by}']`).disabled && !byId("pages").hidden) {
    turn(by);
    [...body.querySelectorAll("a")].at(by > 0 ? 0 : -1)?.focus();
  }
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => { form.elements.text.focus(); form.elements.text.select(); },
  "?": () => byId("keys").showModal(),
  c: () => copy("text"),
  m: () => copy("markdown"),
  Escape: () => isOpen() && leave(),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("dialog")) return;
  if (event.target.closest("input, select")) {
    if (event.key !== "Escape" || event.target.name !== "text") return;
    event.preventDefault();
    if (!event.target.value) event.target.blur();
    event.target.value = "";
    go({ text: "", page: "", pair: "" });
    return;
  }
  const inList = { ArrowDown: "j", ArrowUp: "k" }[event.key];
  const act = KEYS[inList && body.contains(event.target) ? inList : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// On paper: all rows that match, or the pair that is open.
addEventListener("beforeprint", () => isOpen() || show(0, PRINTED));
addEventListener("afterprint", () => isOpen() || show());
addEventListener("hashchange", apply);
apply();
