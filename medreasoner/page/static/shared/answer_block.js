// Shows one model's answer: reasoning that grows by appending, then box, points and mask in words, repairs and timings.
// Shared by the answer and by the comparison. The view follows the text only while the reader is at its end.
// Words and numbers that mean a place light it up in the image while they are pointed at or focused.
const reasoning = element.querySelector(".reasoning"); // scrolls on a wide screen; on a phone the page does
const reasoningText = element.querySelector(".reasoning-text");
const textNode = reasoningText.appendChild(document.createTextNode(""));
const problemBlock = element.querySelector(".problem");
const findings = element.querySelector(".findings");
const modelName = element.querySelector(".model"); // shown only beside a second model

function growReasoning(think, places) {
  const atEnd = reasoning.scrollHeight - reasoning.scrollTop - reasoning.clientHeight < 24;
  if (think.startsWith(textNode.data)) textNode.appendData(think.slice(textNode.length));
  else textNode.data = think;
  reasoningText.replaceChildren(...(places.length ? withPlaces(think, places) : [textNode]));
  if (atEnd && think) reasoning.scrollTop = reasoning.scrollHeight;
}

// `text` cut into nodes, the parts that mean a place being focusable. Places count Unicode characters; JavaScript counts UTF-16 units.
function withPlaces(text, places) {
  const characters = [...text];
  const part = (start, end) => characters.slice(start, end).join("");
  const nodes = [];
  let from = 0;
  for (const { start, end, box } of places) {
    const place = document.createElement("span");
    place.className = "place";
    place.tabIndex = 0;
    place.textContent = part(start, end);
    const light = (lit) => document.dispatchEvent(new CustomEvent("light", { detail: lit ? box : null }));
    ["pointerenter", "focus"].forEach((name) => place.addEventListener(name, () => light(true)));
    ["pointerleave", "blur"].forEach((name) => place.addEventListener(name, () => light(false)));
    nodes.push(part(from, start), place);
    from = end;
  }
  return [...nodes, part(from)];
}

function row({ name, text, aside, places = [], truth }) {
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  const small = document.createElement("small");
  term.textContent = name;
  small.textContent = aside;
  description.append(...withPlaces(text, places), " ", small);
  [term, description].forEach((part) => part.classList.toggle("truth", Boolean(truth)));
  return [term, description];
}

function listItem(note) {
  const item = document.createElement("li");
  item.textContent = note;
  return item;
}

function showAnswer() {
  const { think = "", places = [], rows = [], notes = [], times = "", problem = "", completion = "", name = "" } = props.value || {};
  modelName.textContent = name;
  modelName.hidden = !name;
  growReasoning(think, places);
  reasoningText.setAttribute("aria-busy", !times && !problem);
  problemBlock.hidden = !problem;
  problemBlock.querySelector("p").textContent = problem;
  problemBlock.querySelector("pre").textContent = completion;
  findings.hidden = !rows.length;
  findings.querySelector("dl").replaceChildren(...rows.flatMap(row));
  findings.querySelector("ul").replaceChildren(...notes.map(listItem));
  findings.querySelector(".times").textContent = times;
}

