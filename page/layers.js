// The layers of the viewer: box, points and mask as vectors over the image, one toggle and one key each.
// A component of its own, so that a new box never sends the image again. Gradio mounts components in no fixed order: look others up late.
const viewer = () => document.querySelector("#viewer");
const buttons = [...element.querySelectorAll("button")];
const layer = (name) => viewer().querySelector(`.layer.${name}`);

function drawBox(box) {
  layer("box").querySelectorAll("rect").forEach((rect) => {
    const [x1, y1, x2, y2] = box;
    Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 }).forEach(([name, value]) => rect.setAttribute(name, value));
  });
}

function drawPoints(points, width, height) {
  layer("points").replaceChildren(
    ...points.map(([x, y], index) => {
      const disc = document.createElement("span");
      disc.textContent = index + 1;
      disc.style.left = `${(100 * x) / width}%`;
      disc.style.top = `${(100 * y) / height}%`;
      return disc;
    }),
  );
}

function draw() {
  const found = props.value || {};
  const stage = viewer().querySelector(".stage");
  const width = Number(stage.style.getPropertyValue("--width"));
  const height = Number(stage.style.getPropertyValue("--height"));
  const there = { box: Boolean(found.box), points: Boolean(found.points), mask: Boolean(found.mask) };
  viewer().querySelectorAll("svg.layer").forEach((svg) => svg.setAttribute("viewBox", `0 0 ${width || 1} ${height || 1}`));
  if (there.box) drawBox(found.box);
  if (there.points) drawPoints(found.points, width, height);
  layer("mask").querySelector("path").setAttribute("d", found.mask || "");
  for (const button of buttons) {
    button.disabled = !there[button.dataset.layer];
    layer(button.dataset.layer).classList.toggle("drawn", there[button.dataset.layer]);
  }
  viewer().querySelector(".spoken").textContent = spoken(found);
}

function spoken(found) {
  if (!found.box) return "";
  const [x1, y1, x2, y2] = found.box.map(Math.round);
  const points = found.points.map((point, index) => `point ${index + 1} at ${point.map(Math.round).join(", ")}`);
  return `Box from ${x1}, ${y1} to ${x2}, ${y2}; ${points.join("; ")}; ${found.mask ? "mask outlined" : "no mask yet"}`;
}

function toggle(button) {
  const shown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", shown);
  layer(button.dataset.layer).classList.toggle("off", !shown);
}

buttons.forEach((button) => button.addEventListener("click", () => toggle(button)));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, [contenteditable]")) return;
  const button = buttons.find((candidate) => candidate.dataset.key === event.key.toLowerCase());
  if (button && !button.disabled) toggle(button);
});
follow(draw);
