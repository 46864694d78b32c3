// The list of runs, drawn anew every few seconds.
import { clock, el, get, score, table } from "./common.js";

const place = document.getElementById("runs");
let shown = "";

async function draw() {
  const rows = await get("/runs.json");
  const told = JSON.stringify(rows);
  if (told === shown || place.contains(document.activeElement)) return;
  shown = told;
  if (!rows.length) return;
  place.replaceChildren(table(["run", "state", "task", "metric", "brain", "search", "expect", "time"], rows.map((row) => [
    el("a", { href: `/runs/${encodeURIComponent(row.name)}` }, row.name), row.state, row.task || "", row.metric || "",
    row.brain || "", score(row.search_score, row.search_stderr), score(row.estimate, row.estimate_stderr), clock(row.seconds || 0),
  ]), 3, "Runs"));
}

draw().catch(() => {});
setInterval(() => draw().catch(() => {}), 3000);
