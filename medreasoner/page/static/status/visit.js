// The page loads itself again once a lost connection is back. Nothing of an image is kept anywhere, so what was open is gone with the page
// before: an example is opened again, of an own image it is said. The question, and which example it was, outlive the reload in this tab.
const VISIT = "medreasoner-visit";

function noteVisit() {
  const { example } = document.querySelector("#viewer").picture;
  const question = document.querySelector("#question-form textarea").value;
  try {
    sessionStorage.setItem(VISIT, JSON.stringify({ example, question }));
  } catch {
    return; // the browser forbids it
  }
}

function visitBefore() {
  if (performance.getEntriesByType("navigation")[0]?.type !== "reload") return null;
  try {
    return JSON.parse(sessionStorage.getItem(VISIT));
  } catch {
    return null;
  }
}

function resume({ example, question }) {
  const field = document.querySelector("#question-form textarea");
  const fill = () => {
    field.value = question;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  fill();
  const button = example === null ? null : document.querySelectorAll("#examples button")[example];
  const dropped = button ? "Its answers are gone; the example is open again." : "Your image and its answers went with it; open the image again.";
  const say = () => showNow({ phase: button ? "ready" : "empty", text: `The page was loaded again. ${dropped}`, warning: true });
  if (!button) return say();
  document.addEventListener("picture", () => setTimeout(() => (fill(), say())), { once: true });
  button.dispatchEvent(new CustomEvent("open"));
}

function onceThere(before) {
  const there = document.querySelector("#question-form textarea") && document.querySelector("#viewer")?.zoom && (before.example === null || document.querySelector("#examples button"));
  there ? resume(before) : requestAnimationFrame(() => onceThere(before));
}

document.addEventListener("picture", noteVisit);
document.addEventListener("change", (event) => event.target.matches?.("#question-form textarea") && document.querySelector("#viewer").picture && noteVisit());
if (visitBefore() && location.hash.length < 2) onceThere(visitBefore());
