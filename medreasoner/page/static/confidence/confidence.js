// "How sure?": asks for samples once, then shows or hides what they say; while it is open their boxes lie on the image as thin lines.
const panel = element.querySelector(".panel");
const button = element.querySelector("button");
const details = element.querySelector(".details");
const sampleLayer = () => document.querySelector("#viewer .layer.samples");
let open = false;
let sampledRun = null; // the run whose answer the samples are compared with

function drawSamples(boxes) {
  const path = boxes.map(([x1, y1, x2, y2]) => `M${x1} ${y1}H${x2}V${y2}H${x1}Z`).join("");
  const size = ["--width", "--height"].map((name) => document.querySelector("#viewer .stage").style.getPropertyValue(name) || 1);
  sampleLayer()?.setAttribute("viewBox", `0 0 ${size.join(" ")}`);
  sampleLayer()?.querySelectorAll("path").forEach((line) => line.setAttribute("d", path));
  sampleLayer()?.classList.toggle("drawn", boxes.length > 0);
}

function show() {
  const { offered = false, boxes = [], rows = [], note = "", run = null } = props.value || {};
  if (run !== sampledRun) open = false;
  sampledRun = run;
  panel.hidden = !offered;
  button.setAttribute("aria-expanded", open);
  const opens = details.hidden && open && rows.length;
  details.hidden = !open || !rows.length;
  details.querySelector("dl").replaceChildren(
    ...rows.flatMap(({ name, text, aside }) => {
      const [term, description, small] = ["dt", "dd", "small"].map((tag) => document.createElement(tag));
      [term.textContent, description.textContent, small.textContent] = [name, `${text} `, aside];
      description.append(small);
      return [term, description];
    }),
  );
  details.querySelector("p").textContent = note;
  if (opens) panel.scrollIntoView({ block: "nearest" });
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
