// The viewer: shows one image, takes files by drop and paste. zoom.js, windowing.js and planes.js follow in the same scope; what is drawn
// over the image belongs to layers/. Files always go through the page's one upload button, so that Gradio checks them like any other.
const host = element.closest("#viewer"); // where the other components find picture, zoom and windowing
const stage = element.querySelector(".stage");
const frame = element.querySelector(".frame");
const image = element.querySelector("img");
const caption = element.querySelector("figcaption");
const onPicture = []; // functions called with each new picture
const fileInput = () => document.querySelector("input[type=file]:has(+ #open-image)");

function uploadFile(files) {
  if (!files.length || !fileInput()) return false;
  const transfer = new DataTransfer();
  transfer.items.add(files[0]);
  fileInput().files = transfer.files;
  fileInput().dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

function updateMagnification() {
  const shown = image.getBoundingClientRect().width * devicePixelRatio;
  image.classList.toggle("magnified", image.naturalWidth > 0 && shown >= 3 * image.naturalWidth);
}

function paragraph(line) {
  const text = document.createElement("p");
  text.textContent = line;
  return text;
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
  Object.assign(document.querySelector("#workspace").dataset, { image: picture.image, task: "", run: "" }); // see shared/follow.js
  onPicture.forEach((call) => call(picture));
  document.dispatchEvent(new CustomEvent("picture"));
}

follow(show);
image.addEventListener("load", updateMagnification);
new ResizeObserver(updateMagnification).observe(stage);
element.querySelector(".invitation").addEventListener("click", () => fileInput()?.click());

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
  uploadFile(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (uploadFile(event.clipboardData.files)) event.preventDefault();
});
