// The viewer: shows one image, takes files by drop and paste. zoom.js, shades.js and planes.js follow in the same scope; what is drawn over
// the image belongs to layers.js. Files always go through the page's one upload button, so that Gradio checks them like any other.
const host = element.closest("#viewer"); // where the other components find picture, zoom and shades
const stage = element.querySelector(".stage");
const frame = element.querySelector(".frame");
const image = element.querySelector("img");
const caption = element.querySelector("figcaption");
const opened = []; // called with each new picture
const input = () => document.querySelector("input[type=file]:has(+ #open-image)");

function give(files) {
  if (!files.length || !input()) return false;
  const transfer = new DataTransfer();
  transfer.items.add(files[0]);
  input().files = transfer.files;
  input().dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

function sharpen() {
  const shown = image.getBoundingClientRect().width * devicePixelRatio;
  image.classList.toggle("magnified", image.naturalWidth > 0 && shown >= 3 * image.naturalWidth);
}

function paragraph(line) {
  const words = document.createElement("p");
  words.textContent = line;
  return words;
}

function show() {
  const picture = props.value;
  element.classList.toggle("holds-image", Boolean(picture));
  frame.tabIndex = picture ? 0 : -1;
  if (!picture) return;
  stage.style.setProperty("--width", picture.width);
  stage.style.setProperty("--height", picture.height);
  image.src = picture.src;
  image.dataset.alt = `The opened image, ${picture.width} by ${picture.height} pixels`;
  image.alt = image.dataset.alt;
  ["left", "right", "top", "bottom"].forEach((side, index) => {
    stage.querySelector(`.letter.${side}`).textContent = picture.letters?.[index] || "";
  });
  caption.replaceChildren(...picture.caption.map(paragraph));
  host.picture = picture;
  opened.forEach((tell) => tell(picture));
  document.dispatchEvent(new CustomEvent("picture"));
}

follow(show);
image.addEventListener("load", sharpen);
new ResizeObserver(sharpen).observe(stage);
element.querySelector(".invitation").addEventListener("click", () => input()?.click());

const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  element.classList.add("under-file");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) element.classList.remove("under-file");
});
document.addEventListener("drop", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  element.classList.remove("under-file");
  give(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (give(event.clipboardData.files)) event.preventDefault();
});
