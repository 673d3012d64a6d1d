// The box as a whole: a drag inside it moves it with its points, the tool "draw" makes a new one. And where its handles stand.
const SMALL = 72; // pixels of the screen; the discs and handles of a smaller box stand outside it, so that it can be seen
const AWAY = { corner: 7, point: 20 }; // pixels of the screen
let boxDrag = null; // where a drag of the whole box, or of a new one, began

// Where the handles of `box` are drawn, in pixels of the image: on their places, or outside a small box.
function outsideOf(box, scale, width) {
  if (!box || Math.min(box[2] - box[0], box[3] - box[1]) * scale >= SMALL) return { corner: (x, y) => [x, y], point: (x, y) => [x, y] };
  const [x1, y1, x2, y2] = box;
  const away = (x, y, far) => [x + (Math.sign(x - (x1 + x2) / 2) * far) / scale, y + (Math.sign(y - (y1 + y2) / 2) * far) / scale];
  return {
    corner: (x, y) => away(x, y, AWAY.corner),
    point: (x, y, n) => [clamp(n ? x2 + AWAY.point / scale : x1 - AWAY.point / scale, 0, width), y], // beyond the image it would be cut
  };
}

// A thin line from a disc that stands aside to its place.
function drawLeaders(spots, width, height) {
  const path = spots.filter(({ x, y, at }) => Math.hypot(x - at[0], y - at[1]) > 0.01).map(({ x, y, at }) => `M${at[0]} ${at[1]}L${x} ${y}`);
  layer("leaders").setAttribute("viewBox", `0 0 ${width} ${height}`);
  layer("leaders").querySelectorAll("path").forEach((line) => line.setAttribute("d", path.join("")));
  layer("leaders").classList.toggle("drawn", path.length > 0);
}

const within = ([x, y], [x1, y1, x2, y2]) => x > x1 && x < x2 && y > y1 && y < y2;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// The image is moved, not the box, where the box is wider and higher than what can be seen.
function boxFillsFrame() {
  const frame = viewer().querySelector(".frame").getBoundingClientRect();
  const scale = stageOf().getBoundingClientRect().width / sizeOf()[0];
  return (prompt.box[2] - prompt.box[0]) * scale > frame.width && (prompt.box[3] - prompt.box[1]) * scale > frame.height;
}

function movedBy(before, dx, dy) {
  const [width, height] = sizeOf();
  const [x1, y1, x2, y2] = before.box;
  const [mx, my] = [clamp(dx, -x1, width - x2), clamp(dy, -y1, height - y2)];
  return { ...before, box: [x1 + mx, y1 + my, x2 + mx, y2 + my], points: before.points.map(([x, y]) => [x + mx, y + my]) };
}

// A new box between two places, with its two points inside.
function drawnBox([ax, ay], [bx, by]) {
  const [width, height] = sizeOf();
  const [xs, ys] = [[ax, bx].map((x) => clamp(x, 0, width)).sort((a, b) => a - b), [ay, by].map((y) => clamp(y, 0, height)).sort((a, b) => a - b)];
  const box = [xs[0], ys[0], Math.max(xs[1], xs[0] + 1), Math.max(ys[1], ys[0] + 1)];
  const at = (share) => [box[0] + (box[2] - box[0]) * share, box[1] + (box[3] - box[1]) * share];
  return { box, points: [at(0.4), at(0.6)], clicks: [] };
}

document.addEventListener("pointerdown", (event) => {
  if (!editable() || event.button !== 0 || event.shiftKey || !event.target.closest("#viewer .stage") || event.target.closest("button")) return;
  const start = inImage(event);
  const draws = tool === "draw";
  const moves = !tool && event.pointerType !== "touch" && !layer("box").classList.contains("off") && prompt.box && within(start, prompt.box) && !boxFillsFrame();
  if (!draws && !moves) return;
  event.stopPropagation(); // the image does not move with it
  event.preventDefault();
  boxDrag = { start, before: copy(prompt), draws, x: event.clientX, y: event.clientY, moved: false };
}, { capture: true });
document.addEventListener("pointermove", (event) => {
  if (!boxDrag) return;
  if (!boxDrag.moved && Math.hypot(event.clientX - boxDrag.x, event.clientY - boxDrag.y) < 4) return;
  boxDrag.moved = true;
  const now = inImage(event);
  prompt = boxDrag.draws ? drawnBox(boxDrag.start, now) : movedBy(boxDrag.before, now[0] - boxDrag.start[0], now[1] - boxDrag.start[1]);
  layer("mask").classList.add("stale");
  redraw();
});
["pointerup", "pointercancel"].forEach((end) =>
  document.addEventListener(end, () => {
    if (boxDrag?.moved) {
      history.push(boxDrag.before);
      undone = [];
      if (boxDrag.draws) setTool("");
      redraw();
      send();
    }
    boxDrag = null;
  }),
);
