// Builds what stands on the page. Every text that comes from data goes through textContent: nothing here, or elsewhere, sets innerHTML.


const SVG = "http://www.w3.org/2000/svg";

/** Put attributes on a node; `on` holds listeners, `style` properties, true stands for an attribute without a value. */
export function dress(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "style") for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

function filled(node, attributes, children) {
  dress(node, attributes ?? {});
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false).map(asNode));
  return node;
}

const asNode = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

/** An HTML element with attributes and children; strings become text. */
export const element = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);

/** The same for SVG. */
export const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

export const byId = (id) => document.getElementById(id);

/** Replace what an element holds. */
export function fill(node, ...children) {
  node.replaceChildren();
  return filled(node, null, children);
}

/** A part of the page that is scrolled sideways where it is wider than the screen; `words` say what it is. */
export const scrollable = (words, ...children) => element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words }, children);

/** Say something to those who hear the page. */
export function say(text) {
  byId("said").textContent = text;
}

/** A group of which one choice is on: radio buttons in the look of a switch. */
export function fillSwitch(node, name, choices, current, choose) {
  fill(
    node,
    choices.map(([value, text]) =>
      element(
        "label",
        null,
        element("input", { type: "radio", name, value, checked: value === current, on: { change: () => choose(value) } }),
        element("span", null, text),
      ),
    ),
  );
}

/** Whether a person asked for less movement. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

let copied = null;
/** Copy a text, and say so on the button that asked for it. */
export async function copyText(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copyBySelection(text);
  }
  const before = button.dataset.words ?? button.textContent;
  button.dataset.words = before;
  button.textContent = done ? "Copied" : "Copying is not allowed";
  say(button.textContent);
  clearTimeout(copied);
  copied = setTimeout(() => (button.textContent = before), 1600);
  return done;
}

// Where the clipboard is closed to pages: what is selected can still be copied.
function copyBySelection(text) {
  const area = element("textarea", { class: "unseen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
