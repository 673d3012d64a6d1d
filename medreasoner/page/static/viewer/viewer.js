// The viewer: shows one image. files.js (drop and paste), zoom.js, windowing.js and planes.js follow in the same scope; what is drawn
// over the image belongs to layers/. Files always go through the page's one upload button, so that Gradio checks them like any other.
const host = element.closest("#viewer"); // where the other components find picture, zoom and windowing
const stage = element.querySelector(".stage");
const frame = element.querySelector(".frame");
const image = element.querySelector("img");
const caption = element.querySelector("figcaption");
const onPicture = []; // functions called with each new picture
let shownFile = null; // names the file of the picture that is shown
let sameFile = false; // the picture is another view of the file before
const fileInput = () => document.querySelector("input[type=file]:has(+ #open-image)");

function uploadFiles(files) {
  if (!files.length || !fileInput()) return false;
  const transfer = new DataTransfer();
  [...files].forEach((file) => transfer.items.add(file));
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
  const { image: id, answer } = picture; // not `run`: a picture is never late, whichever answer comes back with it
  Object.assign(document.querySelector("#workspace").dataset, { image: id, task: "", run: answer ?? "" }); // see shared/follow.js
  sameFile = picture.file === shownFile;
  shownFile = picture.file;
  onPicture.forEach((call) => call(picture));
  document.dispatchEvent(new CustomEvent("picture"));
}

follow(show);
image.addEventListener("load", updateMagnification);
new ResizeObserver(updateMagnification).observe(stage);
element.querySelector(".invitation").addEventListener("click", () => fileInput()?.click());
