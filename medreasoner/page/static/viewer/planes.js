// What else of the file could be shown: another slice or axis of a volume, another frame, another window of values deeper than 8 bits.
// The server reads the file again; whatever was found in the old picture is gone then, as it was about that picture.
const planes = element.querySelector(".planes");

function slider(name, what, count, value) {
  const label = document.createElement("label");
  const range = Object.assign(document.createElement("input"), { type: "range", name, min: 1, max: count, value });
  const number = document.createElement("output");
  const showNumber = () => (number.textContent = `${range.value} of ${count}`);
  range.addEventListener("input", showNumber);
  showNumber();
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

function showControls({ choices, view }) {
  const controls = [];
  if (choices.slices > 1) controls.push(slider("slice", "Slice", choices.slices, view.slice ?? 1));
  if (choices.axes.length > 1) controls.push(menu("axis", "Cut", choices.axes, view.axis));
  if (choices.frames > 1) controls.push(slider("frame", "Frame", choices.frames, view.frame ?? 1));
  if (choices.windows.length > 1) controls.push(menu("window", "Window", choices.windows, view.window));
  const focused = planes.contains(document.activeElement) ? document.activeElement.name : null;
  planes.hidden = !controls.length;
  planes.replaceChildren(...controls);
  if (focused) planes.querySelector(`[name=${focused}]`)?.focus();
}

planes.addEventListener("change", (event) => {
  const view = { ...props.value.view };
  planes.querySelectorAll("input, select").forEach((control) => {
    view[control.name] = control.type === "range" ? Number(control.value) : control.value;
  });
  if (event.target.name === "axis") view.slice = null; // its number means another place along another axis
  trigger("select_view", view);
});
onPicture.push(showControls);
show();
