"use strict";
// Where there is little room, what is above the list is folded. It runs before the rows are read, so that nothing moves
// under the reader. The same condition is in page.css.
const small = matchMedia("screen and (max-width: 999px), screen and (max-height: 640px)");
const unfold = (open) => document.querySelectorAll("details.fold").forEach((part) => { part.open = open; });
const fit = () => unfold(!small.matches);
small.addEventListener("change", fit);
addEventListener("beforeprint", () => unfold(true));
addEventListener("afterprint", fit);
fit();
