// What else of the file could be shown: another slice or plane of a volume, another frame. The server reads it and sends it; while one is on
// its way the last one that is wanted is remembered, so that no turn of the wheel and no key press is lost.
const planes = element.querySelector(".planes");
const WHEEL_STEP = 100; // of a wheel's delta, for one slice: a notch of most
let wanted = null; // slice that the visitor is at
let onItsWay = false;
let turned = 0;

function slider(name, what, count, value) {
  const label = document.createElement("label");
  const range = Object.assign(document.createElement("input"), { type: "range", name, min: 1, max: count, value });
  const number = Object.assign(document.createElement("output"), { textContent: `${value} of ${count}` });
  label.append(`${what} `, range, " ", number);
  return label;
}

function menu(name, what, options, value) {
  const label = document.createElement("label");
  const select = Object.assign(document.createElement("select"), { name });
  select.append(...options.map((option) => new Option(option, option, false, option === value)));
  label.append(`${what} `, select);
  return label;
}

// The controls are made anew only where they are other ones, so that one that is being dragged stays.
function showControls({ choices, view }) {
  const kinds = JSON.stringify([choices.slices, choices.axes, choices.frames, view.axis]);
  onItsWay = false;
  if (planes.dataset.kinds !== kinds || !sameFile) {
    const controls = [];
    if (choices.slices > 1) controls.push(slider("slice", "Slice", choices.slices, view.slice ?? 1));
    if (choices.axes.length > 1) controls.push(menu("axis", "Plane", choices.axes, view.axis));
    if (choices.frames > 1) controls.push(slider("frame", "Frame", choices.frames, view.frame ?? 1));
    const focused = planes.contains(document.activeElement) ? document.activeElement.name : null;
    planes.dataset.kinds = kinds;
    planes.hidden = !controls.length;
    planes.replaceChildren(...controls);
    if (focused) planes.querySelector(`[name=${focused}]`)?.focus();
    wanted = view;
  } else if (view.slice !== wanted.slice || view.frame !== wanted.frame) sendWanted();
}

function selectedView() {
  const view = { ...props.value.view };
  planes.querySelectorAll("input, select").forEach((control) => {
    view[control.name] = control.type === "range" ? Number(control.value) : control.value;
    if (control.type === "range") control.parentElement.querySelector("output").textContent = `${control.value} of ${control.max}`;
  });
  return view;
}

function sendWanted() {
  if (onItsWay) return;
  onItsWay = true;
  trigger("select_view", wanted);
}

function choose(changed) {
  const view = selectedView();
  if (changed === "axis") view.slice = null; // its number means another place along another axis
  wanted = { ...view };
  sendWanted();
}

function bySlices(number) {
  const range = planes.querySelector("[name=slice]");
  range.value = Number(range.value) + number;
  choose("slice");
}

planes.addEventListener("input", (event) => event.target.type === "range" && choose(event.target.name));
planes.addEventListener("change", (event) => event.target.type !== "range" && choose(event.target.name));
document.addEventListener("status", ({ detail }) => {
  if (!detail.warning) return; // the view was refused
  onItsWay = false;
  wanted = props.value?.view;
});
onPicture.push(showControls);
host.slices = {
  count: () => (planes.querySelector("[name=slice]") ? props.value.choices.slices : 0),
  by: bySlices,
  wheel: (delta) => {
    turned += delta;
    const steps = Math.trunc(turned / WHEEL_STEP);
    turned -= steps * WHEEL_STEP;
    if (steps) bySlices(steps);
  },
};
show();
