// The reading column: reasoning that grows by appending, then the answer, repairs and timings.
// It follows the text only while the reader is at its end; it never opens or closes the block by itself.
// Words and numbers that mean a place light it in the image while they are pointed at or focused.
const thought = element.querySelector(".thought"); // scrolls on a wide screen; on a phone the page does
const words = element.querySelector(".words");
const text = words.appendChild(document.createTextNode(""));
const problem = element.querySelector(".problem");
const answer = element.querySelector(".answer");
const model = element.querySelector(".model"); // named only beside a second one

function grow(think, places) {
  const atEnd = thought.scrollHeight - thought.scrollTop - thought.clientHeight < 24;
  if (think.startsWith(text.data)) text.appendData(think.slice(text.length));
  else text.data = think;
  words.replaceChildren(...(places.length ? marked(think, places) : [text]));
  if (atEnd && think) thought.scrollTop = thought.scrollHeight;
}

// `text` with the parts that mean a place as something one can point at. They are counted in characters, which JavaScript's strings are not.
function marked(text, places) {
  const characters = [...text];
  const part = (start, end) => characters.slice(start, end).join("");
  const parts = [];
  let from = 0;
  for (const { start, end, box } of places) {
    const place = document.createElement("span");
    place.className = "place";
    place.tabIndex = 0;
    place.textContent = part(start, end);
    const light = (lit) => document.dispatchEvent(new CustomEvent("light", { detail: lit ? box : null }));
    ["pointerenter", "focus"].forEach((name) => place.addEventListener(name, () => light(true)));
    ["pointerleave", "blur"].forEach((name) => place.addEventListener(name, () => light(false)));
    parts.push(part(from, start), place);
    from = end;
  }
  return [...parts, part(from)];
}

function row({ name, text, aside, places = [], truth }) {
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  const small = document.createElement("small");
  term.textContent = name;
  small.textContent = aside;
  description.append(...marked(text, places), " ", small);
  [term, description].forEach((part) => part.classList.toggle("truth", Boolean(truth)));
  return [term, description];
}

function item(note) {
  const entry = document.createElement("li");
  entry.textContent = note;
  return entry;
}

function show() {
  const { think = "", places = [], rows = [], notes = [], times = "", problem: wrong = "", written = "", name = "" } = props.value || {};
  model.textContent = name;
  model.hidden = !name;
  grow(think, places);
  words.setAttribute("aria-busy", !times && !wrong);
  problem.hidden = !wrong;
  problem.querySelector("p").textContent = wrong;
  problem.querySelector("pre").textContent = written;
  answer.hidden = !rows.length;
  answer.querySelector("dl").replaceChildren(...rows.flatMap(row));
  answer.querySelector("ul").replaceChildren(...notes.map(item));
  answer.querySelector(".times").textContent = times;
}

follow(show);
