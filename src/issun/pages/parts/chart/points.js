// Finds the network that is meant: the mark nearest to a pointer or a finger or, by keyboard, the next one.

import { byId, dress, element, fill, say, svg } from "../common/element.js";
import { markPicture } from "../common/marks.js";
import { bytesText, counted, duration, meanText, shortCount } from "../common/numbers.js";
import { nameOf, withFailed } from "../study/content.js";
import { openNetwork, seriesOf, state } from "../study/state.js";

const REACH = 28;

const tip = () => byId("tip");

function tell(network, at, node) {
  const { validation } = network;
  const several = state.content.studies.length > 1;
  fill(
    tip(),
    element("p", { class: "tip-name" }, markPicture(seriesOf(network)), several ? `${network.study.name}: ` : "", nameOf(network)),
    network.label !== network.family ? element("p", { class: "tip-text" }, network.network) : null,
    element("p", null, element("b", null, meanText(validation.mean, validation.sd)), ` · ${counted(network.parameters, "parameter")}`),
    element("p", { class: "pale" }, `${shortCount(network.macs)} MACs · ${bytesText(network.bytes)} · ${bytesText(network.peak_memory)} of memory · ${duration(network.seconds)}`),
    network.failed ? element("p", { class: "pale" }, network.failed) : null,
  );
  tip().hidden = false;
  const box = node.getBoundingClientRect();
  const { offsetWidth: wide, offsetHeight: high } = tip();
  const left = Math.min(Math.max(8, box.left + at[0] + 14), document.documentElement.clientWidth - wide - 8);
  const above = box.top + at[1] - high - 14;
  tip().style.left = `${left + scrollX}px`;
  tip().style.top = `${(above > 4 ? above : box.top + at[1] + 18) + scrollY}px`;
}

export function hideTip() {
  tip().hidden = true;
}

const words = (network) =>
  `${nameOf(network)}: ${withFailed(meanText(network.validation.mean, network.validation.sd), network)}, ${counted(network.parameters, "parameter")}`;

/** Make the marks of a chart answer to pointer and keyboard. */
export function findPoints({ networks, x, y, size, picture, front }) {
  hideTip();
  if (!networks.length) return;
  const at = networks.map((network) => [x(network[size]), y(network.validation.mean)]);
  const nearest = d3.Delaunay.from(at);
  const found = (event) => {
    const [px, py] = d3.pointer(event, picture);
    const number = nearest.find(px, py);
    return Math.hypot(at[number][0] - px, at[number][1] - py) <= REACH ? number : null;
  };
  const hover = svg("circle", { class: "hover", r: 9, visibility: "hidden" });
  const show = (number) => {
    hover.setAttribute("visibility", number === null ? "hidden" : "visible");
    picture.classList.toggle("on-point", number !== null);
    if (number === null) return hideTip();
    dress(hover, { cx: at[number][0], cy: at[number][1] });
    return tell(networks[number], at[number], picture);
  };
  picture.addEventListener("pointermove", (event) => event.buttons === 0 && event.pointerType !== "touch" && show(found(event)));
  picture.addEventListener("pointerleave", () => show(null));
  picture.addEventListener("click", (event) => {
    const number = found(event);
    if (number !== null) openNetwork(networks[number], "chart");
  });

  // By keyboard one stop, which walks from network to network: right and left by size, up and down by accuracy.
  const bySize = d3.range(networks.length).sort((a, b) => at[a][0] - at[b][0] || at[b][1] - at[a][1]);
  const byAccuracy = d3.range(networks.length).sort((a, b) => at[b][1] - at[a][1] || at[a][0] - at[b][0]);
  let current = Math.max(0, networks.indexOf(state.chosen));
  const stop = svg("circle", { class: "stop", r: 13, tabindex: 0, role: "button", "data-part": "stop" });
  const place = () => dress(stop, { cx: at[current][0], cy: at[current][1], "aria-label": `${words(networks[current])}. Enter opens it, arrow keys go to the next` });
  place();
  stop.addEventListener("keydown", (event) => {
    const walk = { ArrowRight: [bySize, 1], ArrowLeft: [bySize, -1], ArrowUp: [byAccuracy, 1], ArrowDown: [byAccuracy, -1] }[event.key];
    if (event.key === "Enter" || event.key === " ") openNetwork(networks[current], "chart");
    else if (event.key === "Escape") show(null);
    else if (walk) {
      const [order, step] = walk;
      current = order[Math.min(order.length - 1, Math.max(0, order.indexOf(current) + step))];
      place();
      show(current);
      say(words(networks[current]));
    } else return;
    event.preventDefault();
  });
  stop.addEventListener("focus", () => {
    current = Math.max(0, networks.includes(state.chosen) ? networks.indexOf(state.chosen) : current);
    place();
    if (stop.matches(":focus-visible")) show(current);
  });
  stop.addEventListener("blur", () => show(null));
  picture.insertBefore(hover, front);
  picture.insertBefore(stop, front);
  picture.append(front);
}
