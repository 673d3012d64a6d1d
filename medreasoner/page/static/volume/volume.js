// The whole stack: a cell for each slice that says whether it was looked at, and whether it holds the mask; a click on one goes there.
// pictures.js follows in the same scope. A run goes on while the visitor leafs through its stack, so its values are shown by the name of
// the opened file and not by the shown image (see shared/follow.js).
const stack = element.querySelector(".stack");
const cells = stack.querySelector(".cells");
const fromHere = stack.querySelector("[name=from-here]");
const viewer = () => document.querySelector("#viewer");
const workspace = () => document.querySelector("#workspace");
let gone = ""; // the run whose slice the viewer has gone to
const shownRun = () => {
  const value = props.value || {};
  const picture = viewer().picture;
  return value.slices && picture && value.file === picture.file && value.axis === picture.view.axis ? value : null;
};

function goTo(number) {
  const picture = viewer().picture;
  const by = number - (picture.view.slice ?? 1);
  if (by) viewer().slices.by(by);
}

function rect(number, kind) {
  const cell = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  Object.entries({ x: number - 1, y: 0, width: 1, height: 1, class: kind }).forEach(([name, value]) => cell.setAttribute(name, value));
  return cell;
}

function inWords({ slices, filled, key, looked }) {
  const seen = looked.filter(([, found]) => found).length;
  const parts = [`${slices} slices`];
  if (looked.length) parts.push(`${looked.length} looked at, the target seen in ${seen}`);
  if (key) parts.push(`slice ${key} was asked`);
  if (filled.length) parts.push(`outlined from slice ${filled[0]} to ${filled.at(-1)}`);
  return `${parts.join("; ")}.`;
}

function showCells(run) {
  const svg = cells.querySelector("svg");
  svg.setAttribute("viewBox", `0 0 ${run.slices} 1`);
  svg.replaceChildren(
    ...run.filled.map((number) => rect(number, "filled")),
    ...run.looked.map(([number, found]) => rect(number, found ? "seen" : "unseen")),
    ...run.corrected.map((number) => rect(number, "corrected")),
    ...(run.key ? [rect(run.key, "key")] : []),
    rect(viewer().picture.view.slice ?? 1, "here"),
  );
  cells.setAttribute("aria-label", inWords(run));
}

function show() {
  const picture = viewer()?.picture;
  const slices = picture?.choices.slices ?? 1;
  if (slices > 1 && document.querySelector("#ask-volume")) workspace().dataset.stack = slices;
  else delete workspace().dataset.stack;
  const run = picture ? shownRun() : null;
  stack.hidden = !workspace().dataset.stack;
  stack.classList.toggle("asked", Boolean(run));
  if (!stack.hidden) showCells(run ?? { slices, filled: [], looked: [], corrected: [], key: null });
  showPictures(run);
  if (!run?.key || gone === run.id) return;
  gone = run.id;
  goTo(run.key);
}

cells.addEventListener("click", (event) => {
  const { slices } = viewer().picture.choices;
  const { left, width } = cells.getBoundingClientRect();
  goTo(Math.min(slices, 1 + Math.floor(((event.clientX - left) / width) * slices)));
});
fromHere.addEventListener("change", () => (workspace().dataset.fromHere = fromHere.checked ? "yes" : ""));
document.addEventListener("picture", show);
watch("value", show);
