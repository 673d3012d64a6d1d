// Shows one model's answer: the headline, the reasoning that grows by appending and folds when it is done, then the machine's figures.
// Shared by the answer and by the comparison. The view follows the text only while the reader is at its end.
// Words and numbers that mean a place light it up in the image while they are pointed at or focused.
const reasoning = element.querySelector(".reasoning");
const reasoningText = element.querySelector(".reasoning-text");
const textNode = reasoningText.appendChild(document.createTextNode(""));
const problemBlock = element.querySelector(".problem");
const findings = element.querySelector(".findings");
const headlineBlock = element.querySelector(".headline");
const modelName = element.querySelector(".model"); // shown only beside a second model
let finished = false; // the run of what is shown has ended with an answer

// Whether a fold is open after an answer is remembered; private browsing may forbid it.
const folds = { why: reasoning, details: findings };
function remembered(name) {
  try {
    return localStorage.getItem(`medreasoner-${name}`) === "open";
  } catch {
    return false;
  }
}

function remember(name, open) {
  try {
    localStorage.setItem(`medreasoner-${name}`, open ? "open" : "shut");
  } catch {
    return;
  }
}

Object.entries(folds).forEach(([name, fold]) => {
  fold.querySelector("summary").addEventListener("click", () => finished && remember(name, !fold.open));
});

function growReasoning(think, places) {
  const scroller = element.closest("#answers");
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 24;
  if (think.startsWith(textNode.data)) textNode.appendData(think.slice(textNode.length));
  else textNode.data = think;
  reasoningText.replaceChildren(...(places.length ? withPlaces(think, places) : [textNode]));
  if (atEnd && think && !finished) scroller.scrollTop = scroller.scrollHeight;
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

// A size is not to be broken over two lines.
const whole = (fact) => fact.replaceAll(" × ", "\u00a0×\u00a0").replaceAll(/(\d) (?=\p{L}+$)/gu, "$1\u00a0");

function showHeadline({ question = "", what = "", facts = [], said = "", confidence = "" }) {
  headlineBlock.hidden = !question && !what;
  headlineBlock.querySelector(".asked").textContent = question;
  headlineBlock.querySelector(".what").textContent = what;
  headlineBlock.querySelector(".facts").textContent = what ? [...facts.map(whole), `confidence\u00a0${confidence.replaceAll(" ", "\u00a0")}`].join(", ") : "";
  headlineBlock.querySelector(".said").textContent = said;
}

function showAnswer() {
  const { think = "", places = [], rows = [], notes = [], times = "", problem = "", completion = "", name = "", headline = {} } = props.value || {};
  modelName.textContent = name;
  modelName.hidden = !name;
  const done = Boolean(headline.what);
  if (done !== finished) reasoning.open = done ? remembered("why") : true;
  if (done && !finished) findings.open = remembered("details");
  finished = done;
  showHeadline(headline);
  growReasoning(think, places);
  reasoning.hidden = !think;
  reasoningText.setAttribute("aria-busy", !times && !problem);
  problemBlock.hidden = !problem;
  problemBlock.querySelector("p").textContent = problem;
  problemBlock.querySelector("pre").textContent = completion;
  findings.hidden = !rows.length;
  findings.querySelector("dl").replaceChildren(...rows.flatMap(row));
  element.querySelector(".notes").replaceChildren(...notes.map(listItem));
  findings.querySelector(".times").textContent = times;
}

