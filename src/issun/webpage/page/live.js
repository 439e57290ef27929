// Is the study still running? Served by `issun watch`, the page asks now and then for a newer content; opened from disk it asks nobody.
(() => {
  "use strict";

  const EVERY = 2000;
  const SLOWEST = 30000;

  page.startLive = () => {
    if (!page.state.content.live || !location.protocol.startsWith("http")) return;
    const node = page.byId("live");
    node.hidden = false;
    node.textContent = "Live";
    let mark = null;
    let wait = EVERY;
    const ask = async () => {
      try {
        const answer = await fetch("content.json", { cache: "no-store", headers: mark ? { "If-None-Match": mark } : {} });
        if (answer.ok) {
          mark = answer.headers.get("ETag");
          page.takeNew(await answer.json());
        } else if (answer.status !== 304) throw new Error(String(answer.status));
        node.textContent = page.state.content.studies.some(({ running }) => running) ? "Live: trials are running" : "Live";
        wait = EVERY;
      } catch {
        node.textContent = "The study is no longer served: this is how it was last";
        wait = Math.min(2 * wait, SLOWEST);
      }
      setTimeout(ask, wait);
    };
    setTimeout(ask, wait);
  };

  /** Take a newer content in; the network that is open stays open. */
  page.takeNew = (content) => {
    const { chosen, pinned, study } = page.state;
    page.takeIn(content);
    const same = chosen && content.studies[chosen.study.number]?.networks.find(({ id }) => id === chosen.id);
    page.change({ content, asked: page.askedOf(content), study: study !== null && study < content.studies.length ? study : null, chosen: same ?? null, pinned: Boolean(same) && pinned, from: null });
  };
})();
