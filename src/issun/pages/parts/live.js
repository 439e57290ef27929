// Served by `issun watch`, the page asks now and then for a newer content; opened from disk it asks nobody.

import { byId } from "./common/element.js";
import { askedOf, takeIn } from "./study/content.js";
import { change, state } from "./study/state.js";

const EVERY = 2000;
const SLOWEST = 30000;

/** Begin to ask, where there is somebody to be asked. */
export function startLive() {
  if (!state.content.live || !location.protocol.startsWith("http")) return;
  const node = byId("live");
  node.hidden = false;
  node.textContent = "Live";
  let mark = null;
  let wait = EVERY;
  const ask = async () => {
    try {
      const answer = await fetch("content.json", { cache: "no-store", headers: mark ? { "If-None-Match": mark } : {} });
      if (answer.ok) {
        mark = answer.headers.get("ETag");
        takeNew(await answer.json());
      } else if (answer.status !== 304) throw new Error(String(answer.status));
      node.textContent = liveText(state.content.studies);
      wait = EVERY;
    } catch {
      node.textContent = "The study is no longer served; this is its last known state";
      wait = Math.min(2 * wait, SLOWEST);
    }
    setTimeout(ask, wait);
  };
  setTimeout(ask, wait);
}

/** What the mark of a live page says: whether trials run, and on how many workers of a cluster. */
function liveText(studies) {
  const workers = studies.flatMap((study) => study.workers ?? []);
  if (workers.length) return `Live: trials running on ${workers.length} ${workers.length === 1 ? "worker" : "workers"}`;
  return studies.some(({ running }) => running) ? "Live: trials running" : "Live";
}

/** Take a newer content in; the network that is open stays open. */
function takeNew(content) {
  const { chosen, pinned, study } = state;
  takeIn(content);
  const same = chosen && content.studies[chosen.study.number]?.networks.find(({ id }) => id === chosen.id);
  change({ content, asked: askedOf(content), study: study !== null && study < content.studies.length ? study : null, chosen: same ?? null, pinned: Boolean(same) && pinned, from: null });
}
