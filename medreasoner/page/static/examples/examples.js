// The examples as cards: picture, kind of image, question. A click opens one and asks its question; the event "open" only opens it.
const cards = element.querySelector(".cards");
let asksNext = null; // the example that is asked about once it is open
let picked = null; // the example whose picture is on its way

cards.replaceChildren(
  ...(props.value || []).map(({ thumbnail, modality, question }, index) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const image = Object.assign(document.createElement("img"), { src: thumbnail, alt: "" });
    const words = document.createElement("span");
    const kind = Object.assign(document.createElement("small"), { textContent: modality });
    words.append(kind, question);
    button.append(image, words);
    button.setAttribute("aria-label", `${modality}: ${question}`);
    const open = (asks) => {
      asksNext = asks ? index : null;
      picked = index;
      document.querySelector("#workspace").classList.remove("browsing");
      trigger("pick", { index });
    };
    button.addEventListener("click", () => open(true));
    button.addEventListener("open", () => open(false));
    return button;
  }),
);
// The question comes with the image, and is asked once it stands in its field.
function askOnce(question, frames = 120) {
  if (document.querySelector("#question-form textarea").value === question) return document.querySelector("#ask").click();
  if (frames) requestAnimationFrame(() => askOnce(question, frames - 1));
}

// Status and picture come in no fixed order.
function askWhenOpen() {
  const { phase } = document.querySelector("#workspace").dataset;
  if (phase !== "ready" || asksNext === null || document.querySelector("#viewer").picture?.example !== asksNext) return;
  askOnce(props.value[asksNext].question);
  asksNext = null;
}

document.addEventListener("status", askWhenOpen);
// The cards go when an image is opened; a visitor who asked for them again while an example was on its way keeps them.
document.addEventListener("picture", () => {
  if (picked !== null && document.querySelector("#viewer").picture?.example === picked) picked = null;
  else document.querySelector("#workspace").classList.remove("browsing");
  askWhenOpen();
});
