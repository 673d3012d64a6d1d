// The viewer: shows one image, takes files by drop and paste. Layers are drawn over it by layers.js.
// Files always go through the page's one upload button, so that Gradio checks them like any other.
const stage = element.querySelector(".stage");
const image = element.querySelector("img");
const caption = element.querySelector("figcaption");
const input = () => document.querySelector("input[type=file]:has(+ #open-image)");

function give(files) {
  if (!files.length || !input()) return false;
  const transfer = new DataTransfer();
  transfer.items.add(files[0]);
  input().files = transfer.files;
  input().dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

function fit() {
  const shown = image.getBoundingClientRect().width * devicePixelRatio;
  image.classList.toggle("magnified", image.naturalWidth > 0 && shown >= 3 * image.naturalWidth);
}

function show() {
  const picture = props.value;
  element.classList.toggle("holds-image", Boolean(picture));
  if (!picture) return;
  stage.style.setProperty("--width", picture.width);
  stage.style.setProperty("--height", picture.height);
  image.src = picture.src;
  image.alt = `The opened image, ${picture.width} by ${picture.height} pixels`;
  caption.replaceChildren(
    ...picture.caption.map((line) => {
      const paragraph = document.createElement("p");
      paragraph.textContent = line;
      return paragraph;
    }),
  );
}

follow(show);
image.addEventListener("load", fit);
new ResizeObserver(fit).observe(stage);
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
show();
