// The reading column: reasoning that grows by appending, then the answer, repairs and timings.
// It follows the text only while the reader is at its end; it never opens or closes the block by itself.
const thought = element.querySelector(".thought"); // scrolls on a wide screen; on a phone the page does
const words = element.querySelector(".words");
const text = words.appendChild(document.createTextNode(""));
const problem = element.querySelector(".problem");
const answer = element.querySelector(".answer");

function grow(think) {
  const atEnd = thought.scrollHeight - thought.scrollTop - thought.clientHeight < 24;
  if (think.startsWith(text.data)) text.appendData(think.slice(text.length));
  else text.data = think;
  if (atEnd && think) thought.scrollTop = thought.scrollHeight;
}

function row({ name, text, aside }) {
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  const small = document.createElement("small");
  term.textContent = name;
  small.textContent = aside;
  description.append(text, " ", small);
  return [term, description];
}

function item(note) {
  const entry = document.createElement("li");
  entry.textContent = note;
  return entry;
}

function show() {
  const { think = "", rows = [], notes = [], times = "", problem: wrong = "", written = "" } = props.value || {};
  grow(think);
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
