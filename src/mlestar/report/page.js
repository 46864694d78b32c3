// Draws every chart of the page from the figure beside it, in the ink of the reader's light or dark.
const dark = matchMedia("(prefers-color-scheme: dark)");

function draw() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  for (const box of document.querySelectorAll(".chart")) {
    const { data, layout } = JSON.parse(box.querySelector("script").textContent);
    for (const axis of ["xaxis", "yaxis"]) {
      layout[axis] = { ...layout[axis], gridcolor: line, zerolinecolor: ink, linecolor: line };
    }
    layout.font = { color: ink, family: "system-ui, sans-serif", size: 13 };
    Plotly.react(box.querySelector("div"), data, layout, { responsive: true, displayModeBar: false });
  }
}

draw();
dark.addEventListener("change", draw);
