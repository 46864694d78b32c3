// One run, live: every event says that there is something new, and the story is drawn again where it changed.
import { clock, el, get, score, table } from "./common.js";

const main = document.querySelector("main");
const { run: here, token } = main.dataset;
const part = (id) => document.querySelector(`#${id} .body`);
const dark = matchMedia("(prefers-color-scheme: dark)");
const known = new Map(); // what each part shows, as JSON
const open = new Set(), met = new Set(); // steps of the tree that are unfolded, and those that were ever drawn
const UNFOLDED = 12; // so many are unfolded when they come
let story = null, chosen = null, plotly = null;

// --- charts ---------------------------------------------------------------------------------------

function library() {
  plotly ??= new Promise((resolve, reject) => {
    const script = el("script", { src: "/plotly.js" });
    script.onload = () => resolve(window.Plotly);
    script.onerror = reject;
    document.head.append(script);
  });
  return plotly;
}

async function chart(place, figure) {
  if (!figure || !figure.data.length) return;
  const Plotly = await library();
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  const layout = structuredClone(figure.layout);
  for (const axis of ["xaxis", "yaxis"]) layout[axis] = { ...layout[axis], gridcolor: line, zerolinecolor: ink, linecolor: line };
  if (innerWidth < 640 && layout.showlegend) layout.height += 110; // the legend needs lines of its own
  layout.font = { color: ink, family: "system-ui, sans-serif", size: 13 };
  await Plotly.react(place, figure.data, layout, { responsive: true, displayModeBar: false });
}

// --- parts ----------------------------------------------------------------------------------------

// Draws a part only where what it shows has changed, so that what somebody reads or has focused stays.
function once(id, value, make) {
  const told = JSON.stringify(value);
  if (known.get(id) === told) return;
  known.set(id, told);
  make(part(id) ?? document.getElementById(id));
}

const box = () => el("div", { class: "chart", "aria-hidden": "true" });

function charted(place, figure, ...others) {
  const drawn = place.querySelector(":scope > .chart") ?? box();
  const unfolded = place.querySelector(":scope > details")?.open;
  place.replaceChildren(drawn, ...others.filter(Boolean));
  if (unfolded) place.querySelector(":scope > details")?.setAttribute("open", "");
  return chart(drawn, figure);
}

// A chart's bars for those who do not see them. Labels of charts are escaped, for plotly reads a few tags.
function twin(figure, head) {
  const rows = (figure?.data ?? []).flatMap(({ x, y }) => x.map((value, i) => [plain(y[i]), Number(value.toPrecision(4))]));
  return rows.length ? el("details", {}, el("summary", {}, "As a table"), table(head, rows.reverse(), 1)) : "";
}

const plain = (label) => String(label).replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function summary(place) {
  const s = story.summary, better = s.direction === "max" ? "higher" : "lower";
  const lead = s.estimate === null
    ? `${s.state}: best so far ${story.gains.length ? story.gains.at(-1)[4] : "none"} (${s.metric}, ${better} is better)`
    : `${s.state}: expect ${s.metric} ${score(s.estimate, s.estimate_stderr)} (${better} is better)`;
  const facts = [
    `${clock(s.seconds)}, ${s.jobs} executions, ${s.brain_calls} brain calls, ${story.steps} steps`,
    `search ${score(s.search_score, s.search_stderr)}, sealed ${score(s.sealed_score, s.sealed_stderr)}`
      + (s.optimism === null ? "" : `, optimism ${s.optimism.toFixed(5)}`),
    s.split_evidence.startsWith(s.split) ? `split ${s.split_evidence}` : `split ${s.split}: ${s.split_evidence}`, `brain ${s.brain}; wall ${s.sandbox} (${s.sandbox_about})`,
    ...(story.running.length ? [`now: ${story.running.join(", ")}`] : []),
  ];
  document.getElementById("state").textContent = s.state;
  place.replaceChildren(el("p", { class: "lead" }, lead), ...facts.map((fact) => el("p", {}, fact)),
    ...s.warnings.map((warning) => el("p", { class: "warn" }, `warning: ${warning}`)),
    ...(story.trouble ? [el("p", { class: "warn" }, story.trouble)] : []),
    ...(s.best ? [el("p", {}, el("a", { href: `${here}/best/submission.csv` }, "submission.csv"), " ",
      el("a", { href: `${here}/best/solution.py` }, "solution.py"))] : []));
  document.querySelector("[data-verb=stop]").disabled = s.state !== "running";
  document.querySelector("[data-verb=resume]").disabled = s.state === "running";
}

function draw() {
  once("summary", [story.summary, story.running, story.trouble], summary);
  once("time", story.scores, (place) => charted(place, story.scores, table(["when", "made by", "solution", "step", "score"],
    story.gains.map(([at, ...rest]) => [clock(at), ...rest]), 1, "Who made each gain")));
  once("tree", story.tree, tree);
  once("effects", [story.effects, story.targets], effects);
  once("final", [story.weights, story.final], (place) => charted(place, story.weights,
    el("p", {}, story.final ? `Delivered: ${story.final}` : "There is none yet."), twin(story.weights, ["member", "weight"])));
  once("files", story.opened, (place) => place.replaceChildren(story.opened.length
    ? table(["file", "executions that opened it"], story.opened, 1) : el("p", {}, "None yet.")));
  once("cost", [story.costs, story.usage], (place) => charted(place, story.costs, twin(story.costs, ["for", "seconds"]),
    story.usage.length ? table(story.usage[0], story.usage.slice(1), 6, "Calls by role") : el("p", {}, "No call was paid for.")));
  once("ideas", story.ideas, (place) => place.replaceChildren(table(["idea", "why", "source"], story.ideas)));
  once("notes", [story.notes, story.heard], notes);
}

function effects(place) {
  const parts = story.effects.map(([address, figure]) => {
    const step = address.replace(/\/ablate$/, ""), drawn = box();
    const target = story.targets.find(([at]) => at === step);
    const found = figure.data[0] ?? { x: [] };
    const rows = found.x.map((value, i) => [plain(found.y[i]), value.toFixed(5),
      `${(value - found.error_x.arrayminus[i]).toFixed(5)} to ${(value + found.error_x.array[i]).toFixed(5)}`]).reverse();
    chart(drawn, figure);
    return el("div", {}, el("h3", {}, step), drawn, table(["cell", "worse without it by", "80 % interval"], rows, 2, `Effects at ${step}`),
      target ? el("p", {}, `Refined next: ${target[1]}, because ${target[2]}`) : "");
  });
  place.replaceChildren(...(parts.length ? parts : [el("p", {}, "No ablation yet.")]));
}

function notes(place) {
  const said = story.heard.map(([at, who, about, text]) => [clock(at), who || "somebody", `${about}: ${text}`]);
  const told = story.notes.map(([at, address, text, warns]) => [clock(at), address, warns ? `⚠ ${text}` : text]).reverse();
  place.replaceChildren(...(said.length ? [table(["when", "who", "said"], said)] : []), table(["when", "step", "note"], told));
}

// --- the tree -------------------------------------------------------------------------------------

const SIGNS = { running: "…", scored: "•", dropped: "↓", failed: "✗", "not tried": "–", done: "•" };

function tree(place) {
  const focused = document.activeElement?.dataset?.id;
  for (const { step } of story.tree) {
    if (!met.has(step) && met.size < UNFOLDED) open.add(step);
    met.add(step);
  }
  const root = el("ul", { role: "tree", "aria-label": "what was tried", onkeydown: walk });
  for (const { step, nodes } of story.tree) root.append(branch(step, nodes));
  place.replaceChildren(root);
  const items = [...root.querySelectorAll("[role=treeitem]")];
  const first = items.find((item) => item.dataset.id === focused) ?? items[0];
  first?.setAttribute("tabindex", "0");
  if (focused && first?.dataset.id === focused) first.focus();
}

function branch(step, nodes) {
  const unfolded = open.has(step);
  const item = el("li", { role: "treeitem", "aria-expanded": String(unfolded), tabindex: "-1", "data-id": step, "data-step": step },
    el("span", { class: "step", onclick: () => fold(step, !open.has(step)) }, `${step} (${nodes.length})`));
  if (unfolded) item.append(el("ul", { role: "group" }, ...nodes.map((node) => leaf(node, step))));
  return item;
}

function leaf([address, name, kind, state, told, gain, accepted, delivered], step) {
  const place = address === step ? kind : address.slice(step.length + 1);
  const word = accepted === null || state !== "scored" ? state : accepted ? "taken" : "not taken";
  return el("li", {
    role: "treeitem", tabindex: "-1", "data-id": address, "data-address": address, class: delivered ? "delivered" : "",
    "aria-selected": String(address === chosen), onclick: () => show(address),
  }, el("span", { class: `sign ${state.replace(" ", "-")}`, "aria-hidden": "true" }, SIGNS[state] ?? "•"),
  el("span", { class: "what" }, `${place} `, el("b", {}, name)), el("span", { class: "n" }, told),
  el("span", { class: "soft" }, word + (gain ? ` (${gain})` : "") + (delivered ? ", delivered" : "")));
}

function fold(step, unfold) {
  if (unfold) open.add(step);
  else open.delete(step);
  tree(part("tree"));
}

function walk(event) {
  const items = [...event.currentTarget.querySelectorAll("[role=treeitem]")];
  const now = event.target.closest("[role=treeitem]"), i = items.indexOf(now);
  const { step, address } = now.dataset;
  const moves = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: items.length - 1 };
  let next = items[moves[event.key]];
  if (event.key === "ArrowRight" && step) open.has(step) ? (next = items[i + 1]) : fold(step, true);
  else if (event.key === "ArrowLeft" && step) fold(step, false);
  else if (event.key === "ArrowLeft") next = now.parentElement.closest("[role=treeitem]");
  else if ((event.key === "Enter" || event.key === " ") && address) show(address);
  else if (event.key === "Enter" || event.key === " ") fold(step, !open.has(step));
  else if (!(event.key in moves)) return;
  event.preventDefault();
  if (!next) return;
  now.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}

// --- one node -------------------------------------------------------------------------------------

const panel = document.getElementById("panel");

async function show(address) {
  chosen = address;
  for (const item of document.querySelectorAll("[data-address]")) {
    item.setAttribute("aria-selected", String(item.dataset.address === address));
  }
  const node = await get(`${here}/node.json?address=${encodeURIComponent(address)}`).catch(complain);
  if (!node || chosen !== address) return;
  panel.replaceChildren(
    el("button", { type: "button", class: "close", onclick: hide }, "Close"), el("h2", {}, `${node.name}`),
    el("p", {}, el("code", {}, node.address), ` ${node.kind}, ${node.state}${node.reason ? `: ${node.reason}` : ""}`),
    el("p", {}, [node.score ? `score ${node.score.told}` : "no score", node.gain === null ? "" : `gain ${node.gain.toFixed(5)}`,
      `${node.seconds.toFixed(1)} s the slowest fold`, node.calls, node.source ? `from ${node.source}` : ""].filter(Boolean).join("; ")),
    node.plan ? el("p", {}, `Plan for the cell ${node.cell}: ${node.plan}`) : "",
    node.parents.length ? el("p", {}, "Made from ", ...node.parents.flatMap((parent) =>
      [el("button", { type: "button", class: "link", onclick: () => show(parent) }, parent), " "])) : "",
    table(["execution", "state", "value", "seconds", "MiB"], node.runs.map((run) => [
      run.address.slice(node.address.length + 1), run.state + (run.reason ? `: ${run.reason}` : ""),
      run.value === null ? "" : run.value.toFixed(5), run.seconds.toFixed(1), run.peak_mb.toFixed(0),
    ]), 3, "Executions"),
    ...node.runs.filter((run) => run.output || run.error).map((run) => el("details", {}, el("summary", {},
      `What ${run.address.split("/").pop()} printed`), el("pre", {}, run.output + (run.error ? `\n${run.error}` : "")))),
    node.diff.length ? el("h3", {}, "What changed") : "",
    node.diff.length ? el("pre", { class: "diff" }, ...node.diff.map((line) =>
      el("span", { class: line[0] === "+" ? "plus" : line[0] === "-" ? "minus" : line[0] === "@" ? "at" : "" }, `${line}\n`))) : "",
    node.script ? el("details", {}, el("summary", {}, "The script"), el("pre", {}, node.script)) : "",
  );
  panel.hidden = false;
  panel.focus();
}

function hide() {
  panel.hidden = true;
  document.querySelector(`[data-address="${CSS.escape(chosen)}"]`)?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panel.hidden) hide();
});

// --- wishes ---------------------------------------------------------------------------------------

const said = document.getElementById("said");

async function wish(verb, text = "") {
  said.textContent = "…";
  const answer = await fetch(`${here}/${verb}`, { method: "POST", headers: { "x-token": token }, body: text });
  const found = await answer.json();
  said.textContent = found.said || found.error;
  return answer.ok;
}

for (const button of document.querySelectorAll("[data-verb]")) {
  button.addEventListener("click", () => wish(button.dataset.verb));
}
document.getElementById("steer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = document.getElementById("text");
  if (text.value.trim() && (await wish(document.getElementById("about").value, text.value))) text.value = "";
});

// --- live -----------------------------------------------------------------------------------------

let busy = false, again = false;

async function renew() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    story = await get(`${here}/story.json`);
    draw();
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
    if (again) { again = false; renew(); }
  }
}

// What went wrong stands where wishes are answered, in words.
function complain(error) {
  document.getElementById("said").textContent = error.message;
}

dark.addEventListener("change", () => {
  for (const id of ["time", "effects", "final", "cost"]) known.delete(id);
  if (story) draw();
});
renew();
const events = new EventSource(`${here}/events`); // it connects again by itself
events.onmessage = renew;
events.onopen = () => (document.getElementById("live").textContent = "this page is up to date");
events.onerror = () => (document.getElementById("live").textContent = "not connected: is mle-star ui still there?");
