// "How sure?": asks for samples once, then shows or hides what they say; while it is open their boxes lie on the image as thin lines.
const section = element.querySelector(".sure");
const button = element.querySelector("button");
const told = element.querySelector(".told");
const boxesOf = () => document.querySelector("#viewer .layer.samples");
let open = false;
let about = null; // the run that was asked about

function drawSamples(boxes) {
  const path = boxes.map(([x1, y1, x2, y2]) => `M${x1} ${y1}H${x2}V${y2}H${x1}Z`).join("");
  const size = ["--width", "--height"].map((name) => document.querySelector("#viewer .stage").style.getPropertyValue(name) || 1);
  boxesOf()?.setAttribute("viewBox", `0 0 ${size.join(" ")}`);
  boxesOf()?.querySelectorAll("path").forEach((line) => line.setAttribute("d", path));
  boxesOf()?.classList.toggle("drawn", boxes.length > 0);
}

function show() {
  const { offered = false, boxes = [], rows = [], note = "", run = null } = props.value || {};
  if (run !== about) open = false;
  about = run;
  section.hidden = !offered;
  button.setAttribute("aria-expanded", open);
  const opens = told.hidden && open && rows.length;
  told.hidden = !open || !rows.length;
  told.querySelector("dl").replaceChildren(
    ...rows.flatMap(({ name, text, aside }) => {
      const [term, description, small] = ["dt", "dd", "small"].map((tag) => document.createElement(tag));
      [term.textContent, description.textContent, small.textContent] = [name, `${text} `, aside];
      description.append(small);
      return [term, description];
    }),
  );
  told.querySelector("p").textContent = note;
  if (opens) section.scrollIntoView({ block: "nearest" }); // it was just asked for
  drawSamples(open ? boxes : []);
}

button.addEventListener("click", () => {
  open = !open;
  if (open && !props.value.rows) {
    trigger("sample");
    document.dispatchEvent(new CustomEvent("sample"));
  }
  show();
});
follow(show);
