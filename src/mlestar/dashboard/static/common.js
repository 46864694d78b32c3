// What the pages share: elements made of text alone, so that nothing foreign is ever read as markup.

export function el(name, about = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(about)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function table(head, rows, numbers = 0, caption = "") {
  const kind = (i) => (i >= head.length - numbers ? { class: "n" } : {});
  const line = (cells, tag) =>
    el("tr", {}, ...cells.map((cell, i) => el(tag, { ...kind(i), ...(tag === "th" ? { scope: "col" } : {}) }, cell)));
  return el("div", { class: "wide", role: "region", tabindex: "0", "aria-label": caption || head[0] },
    el("table", {}, caption ? el("caption", {}, caption) : "", el("thead", {}, line(head, "th")),
      el("tbody", {}, ...rows.map((row) => line(row, "td")))));
}

export function clock(seconds) {
  const whole = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))} h`;
}

export function score(value, error) {
  return value === null || value === undefined ? "none" : value.toFixed(5) + (error ? ` ± ${error.toFixed(5)}` : "");
}

export async function get(address) {
  const answer = await fetch(address);
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error || answer.statusText);
  return found;
}
