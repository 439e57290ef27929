// Where the classifier's page begins: it reads its content, takes pictures, and shows what the network says of them.

import { byId, element, fill } from "../common/element.js";
import { issunNetwork } from "../network.js";
import { showAnswer, showProblem } from "./answer.js";
import { framing, inputOf } from "./picture.js";
import { decoded, pictureOf, startCamera, stopCamera } from "./source.js";
import { doubtOf } from "./unlike.js";

const PREVIEW = 640; // the longer side of the picture that is shown, pixels
const REST = 60; // milliseconds between two looks through the camera
const INSTEAD = "Choose a photo instead; on a phone, that opens the camera as well.";

const content = JSON.parse(byId("content").textContent);
const network = issunNetwork(content.network);
const [height, width, channels] = network.input;
const [stage, video] = [byId("stage"), byId("video")];
const style = content.appearance?.style ?? null;
let picture = null; // what is being classified, before it is resized

function changes() {
  return { invert: byId("invert").checked, fit: byId("fit").checked ? style : null, resize: content.resize };
}

function classify() {
  if (!picture) return;
  const image = inputOf(picture, network.input, changes());
  const { probabilities } = network.run(image.pixels);
  showAnswer(image, probabilities, content.classes, doubtOf(content.appearance, image, changes()));
  byId("note").textContent = image.bare ? "It has no foreground, so it was not fitted." : "";
}

/** Show the part of a picture that the network looks at. */
function preview(source, size) {
  const scale = PREVIEW / Math.max(height, width);
  stage.height = Math.round(height * scale);
  stage.width = Math.round(width * scale);
  const { box: [left, above, right, below], ...place } = framing(size, height, width, content.resize);
  const context = stage.getContext("2d"); // a new size has made it transparent: what a picture does not fill is black
  context.fillRect(0, 0, stage.width, stage.height);
  const [x, y, wide, high] = [place.left, place.top, place.wide, place.high].map((value) => value * scale);
  context.drawImage(source, left, above, right - left, below - above, x, y, wide, high);
  show(stage);
}

function show(shown) {
  for (const node of [stage, video, byId("hint")]) node.hidden = node !== shown;
}

async function takeFile(file) {
  if (!file) return;
  leaveCamera();
  try {
    const bitmap = await decoded(file);
    picture = pictureOf(bitmap, bitmap.height, bitmap.width, channels);
    preview(bitmap, bitmap);
    stage.setAttribute("aria-label", file.name);
    byId("name").textContent = file.name;
    bitmap.close();
    classify();
  } catch (error) {
    picture = null;
    byId("name").textContent = "";
    show(byId("hint"));
    showProblem(`${file.name} ${error.message}`);
  }
}

function look() {
  if (video.hidden || !video.srcObject) return;
  if (video.videoWidth) {
    picture = pictureOf(video, video.videoHeight, video.videoWidth, channels);
    classify();
  }
  setTimeout(look, REST);
}

async function useCamera() {
  if (video.srcObject) {
    const size = { height: video.videoHeight, width: video.videoWidth };
    if (size.width) {
      preview(video, size);
      stage.setAttribute("aria-label", "The camera's picture");
      picture = pictureOf(video, size.height, size.width, channels);
      classify();
    }
    leaveCamera();
    return;
  }
  try {
    await startCamera(video);
    show(video);
    byId("name").textContent = "";
    byId("camera").textContent = "Take this picture";
    look();
  } catch (error) {
    showProblem(`${error.message} ${INSTEAD}`);
  }
}

function leaveCamera() {
  if (!video.srcObject) return;
  stopCamera(video);
  byId("camera").textContent = "Live camera";
  if (!video.hidden) show(stage.width ? stage : byId("hint"));
}

function tellAbout() {
  byId("title").textContent = content.title;
  document.title = content.title;
  fill(
    byId("about"),
    content.about.map(([name, text]) => element("div", null, element("dt", null, name), element("dd", null, text))),
  );
  fill(byId("classes"), content.classes.map((name) => element("li", null, name)));
  byId("foot").textContent = `Made with issun ${content.issun}. This page is self-contained: pictures stay on this device.`;
  document.documentElement.style.setProperty("--shape", `${width} / ${height}`);
}

function startDropping() {
  const frame = byId("frame");
  frame.addEventListener("dragover", (event) => {
    event.preventDefault();
    frame.classList.add("over");
  });
  frame.addEventListener("dragleave", () => frame.classList.remove("over"));
  frame.addEventListener("drop", (event) => {
    event.preventDefault();
    frame.classList.remove("over");
    takeFile(event.dataTransfer.files[0]);
  });
}

tellAbout();
startDropping();
byId("fit-option").hidden = !style;
for (const name of ["file", "snapshot"]) {
  byId(name).addEventListener("change", ({ target }) => {
    takeFile(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
}
byId("camera").addEventListener("click", useCamera);
for (const name of ["invert", "fit"]) byId(name).addEventListener("change", classify);
