// Which network is this? The nearest mark to a pointer or a finger, or, by keyboard, the next one.
(() => {
  "use strict";

  const REACH = 28;

  const tip = () => page.byId("tip");

  function tell(network, at, node) {
    const { validation, series } = network;
    const several = page.state.content.studies.length > 1;
    page.fill(
      tip(),
      page.element("p", { class: "tip-name" }, page.markPicture(series), several ? `${network.study.name}: ` : "", page.nameOf(network)),
      network.label !== network.family ? page.element("p", { class: "tip-text" }, network.network) : null,
      page.element("p", null, page.element("b", null, page.meanText(validation.mean, validation.sd)), ` · ${page.counted(network.parameters, "parameter")}`),
      page.element("p", { class: "pale" }, `${page.shortCount(network.macs)} MACs · ${page.bytes(network.bytes)} · ${page.duration(network.seconds)}`),
      network.failed ? page.element("p", { class: "pale" }, network.failed) : null,
    );
    tip().hidden = false;
    const box = node.getBoundingClientRect();
    const { offsetWidth: wide, offsetHeight: high } = tip();
    const left = Math.min(Math.max(8, box.left + at[0] + 14), document.documentElement.clientWidth - wide - 8);
    const above = box.top + at[1] - high - 14;
    tip().style.left = `${left + scrollX}px`;
    tip().style.top = `${(above > 4 ? above : box.top + at[1] + 18) + scrollY}px`;
  }

  page.hideTip = () => {
    tip().hidden = true;
  };

  page.tell = tell;

  const words = (network) =>
    `${page.nameOf(network)}: ${page.meanText(network.validation.mean, network.validation.sd)}${network.failed ? ` (${network.failed})` : ""}, ${page.counted(network.parameters, "parameter")}`;

  /** Make the marks of a chart answer to pointer and keyboard. */
  page.findPoints = ({ networks, x, y, size, picture, front }) => {
    page.hideTip();
    if (!networks.length) return;
    const at = networks.map((network) => [x(network[size]), y(network.validation.mean)]);
    const nearest = d3.Delaunay.from(at);
    const found = (event) => {
      const [px, py] = d3.pointer(event, picture);
      const number = nearest.find(px, py);
      return Math.hypot(at[number][0] - px, at[number][1] - py) <= REACH ? number : null;
    };
    const hover = page.svg("circle", { class: "hover", r: 9, visibility: "hidden" });
    const show = (number) => {
      hover.setAttribute("visibility", number === null ? "hidden" : "visible");
      picture.classList.toggle("on-point", number !== null);
      if (number === null) return page.hideTip();
      page.dress(hover, { cx: at[number][0], cy: at[number][1] });
      return tell(networks[number], at[number], picture);
    };
    picture.addEventListener("pointermove", (event) => event.buttons === 0 && event.pointerType !== "touch" && show(found(event)));
    picture.addEventListener("pointerleave", () => show(null));
    picture.addEventListener("click", (event) => {
      const number = found(event);
      if (number !== null) page.open(networks[number], "chart");
    });

    // By keyboard one stop, which walks from network to network: right and left by size, up and down by accuracy.
    const bySize = d3.range(networks.length).sort((a, b) => at[a][0] - at[b][0] || at[b][1] - at[a][1]);
    const byAccuracy = d3.range(networks.length).sort((a, b) => at[b][1] - at[a][1] || at[a][0] - at[b][0]);
    let current = Math.max(0, networks.indexOf(page.state.chosen));
    const stop = page.svg("circle", { class: "stop", r: 13, tabindex: 0, role: "button", "data-part": "stop" });
    const place = () => page.dress(stop, { cx: at[current][0], cy: at[current][1], "aria-label": `${words(networks[current])}. Enter opens it, arrow keys go to the next` });
    place();
    stop.addEventListener("keydown", (event) => {
      const walk = { ArrowRight: [bySize, 1], ArrowLeft: [bySize, -1], ArrowUp: [byAccuracy, 1], ArrowDown: [byAccuracy, -1] }[event.key];
      if (event.key === "Enter" || event.key === " ") page.open(networks[current], "chart");
      else if (event.key === "Escape") show(null);
      else if (walk) {
        const [order, step] = walk;
        current = order[Math.min(order.length - 1, Math.max(0, order.indexOf(current) + step))];
        place();
        show(current);
        page.say(words(networks[current]));
      } else return;
      event.preventDefault();
    });
    stop.addEventListener("focus", () => {
      current = Math.max(0, networks.includes(page.state.chosen) ? networks.indexOf(page.state.chosen) : current);
      place();
      if (stop.matches(":focus-visible")) show(current);
    });
    stop.addEventListener("blur", () => show(null));
    picture.insertBefore(hover, front);
    picture.insertBefore(stop, front);
    picture.append(front);
  };
})();
