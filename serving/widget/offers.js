// Shows a slate of a served shop (REST) on a page, and sends the collector what was seen and clicked. No dependencies.
//   <div id="offers"></div>
//   <script type="module">
//     import { showOffers } from "./offers.js";
//     showOffers(document.getElementById("offers"), { server: "https://models.shop.example", ... });
//   </script>

/** Reason code → sentence, as `tfrec.schema.signatures` has them. Pass `reasons` for another language. */
export const REASONS = {
  bought_together: "bought together with {item} in {count} orders",
  bought_by_you: "you bought it {count} times",
  because_of: "goes with {item}, which you chose before",
  upgrade_of: "a better choice than {item}",
  similar_to: "similar to {item}",
  popular_now: "bought {count} times lately",
  new: "new in the shop",
  for_you: "recommended for you",
};
const SEEN_SHARE = 0.5; // of an item, for as long as this, counts as seen
const SEEN_MILLISECONDS = 1000;

/**
 * Fetches a slate, shows it in `place`, and returns it. Without an answer, or with nothing to show, `place` is hidden.
 * @param {HTMLElement} place - what is filled.
 * @param {object} options
 * @param {string} options.server - address of the REST port.
 * @param {string} options.signature - such as "cross_sell".
 * @param {object} [options.inputs] - by name: a value, or a list; what is left out has its default.
 * @param {(ids: string[]) => Promise<object>} options.describe - gives id → {title, url, image, alt} of the shop's items.
 * @param {string} options.heading - above the list.
 * @param {string} [options.collector] - address of `tfrec collect --http`; without it nothing is sent.
 * @param {string} [options.token] - the collector's.
 * @param {string} [options.placement] - name of this place on the page.
 * @param {object} [options.who] - further fields of each event, such as {session_id: ...}.
 * @param {string} [options.currency] - of prices, such as "EUR"; without it none is shown.
 * @param {object} [options.reasons] - see `REASONS`.
 * @param {number} [options.deadline] - milliseconds until the page goes on without offers.
 */
export async function showOffers(place, options) {
  let slate = null;
  try {
    slate = await fetchSlate({ servable: "shop", inputs: {}, deadline: 1500, ...options });
    const named = slate.offers.flatMap(({ id, of }) => (of ? [id, of] : [id]));
    const items = slate.offers.length ? await options.describe([...new Set(named)]) : {};
    slate.offers = slate.offers.filter(({ id }) => items[id]); // what the shop does not know any more is not shown
    place.replaceChildren(...render(slate, items, { reasons: REASONS, ...options }));
  } catch (error) {
    console.warn("no offers:", error.message);
  }
  place.hidden = !slate?.offers.length;
  if (!place.hidden && options.collector) report(place, slate, options);
  return slate;
}

async function fetchSlate({ server, servable, signature, inputs, deadline }) {
  const signal = AbortSignal.timeout(deadline);
  const read = async (path, body) => {
    const response = await fetch(`${server}/v1/models/${servable}${path}`, body ? { method: "POST", body, signal } : { signal });
    const text = await response.text();
    // The score behind the end of a short row is -Infinity, which is no JSON; outside texts it becomes null.
    const content = JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (word) => (word[0] === '"' ? word : "null")));
    if (!response.ok) throw new Error(`${response.status} ${content.error}`);
    return content;
  };
  const { model_spec, metadata } = await read("/metadata");
  const known = metadata.signature_def.signature_def[signature]?.inputs;
  if (!known) throw new Error(`the server has no signature ${signature}`);
  const unknown = Object.keys(inputs).find((name) => !known[name]);
  if (unknown) throw new Error(`${signature} has no input ${unknown}`);
  // REST takes no request that leaves an input out. Each list begins with the padding value, "" or 0.
  const sent = Object.entries(known).map(([name, { dtype, tensor_shape }]) => {
    const padding = dtype === "DT_STRING" ? "" : name === "max_price" ? 3e38 : name === "k" ? 10 : 0;
    return [name, tensor_shape.dim.length > 1 ? [[padding, ...(inputs[name] ?? [])]] : [inputs[name] ?? padding]];
  });
  const body = JSON.stringify({ signature_name: signature, inputs: Object.fromEntries(sent) });
  const { outputs } = await read(`/versions/${model_spec.version}:predict`, body); // the version that is reported is asked
  const column = (name) => outputs[name][0];
  const offers = column("item_ids").map((id, at) => {
    const [price, reason] = [column("prices")[at], column("reasons")[at]];
    return { id, price, reason, of: column("reason_item_ids")[at], count: column("reason_counts")[at] };
  });
  const found = offers.filter(({ id }) => id !== ""); // empty behind the end of a short row
  return { id: randomId(), version: `${servable}/${model_spec.version}`, offers: found };
}

function render(slate, items, { heading, reasons, currency }) {
  const element = (tag, properties, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const prices = currency && new Intl.NumberFormat(document.documentElement.lang || undefined, { style: "currency", currency });
  const rows = slate.offers.map(({ id, price, reason, of, count }, position) => {
    const { title, url, image, alt = "" } = items[id]; // the title stands beside a picture without a description
    const why = (reasons[reason] ?? "").replace("{item}", items[of]?.title ?? of).replace("{count}", count);
    const sentence = why.replace(" 1 orders", " 1 order").replace(" 1 times", " once").replace(" 2 times", " twice");
    const link = element("a", { href: url }, ...(image ? [element("img", { src: image, alt, loading: "lazy" })] : []));
    link.append(element("h3", { textContent: title }));
    if (prices && price) link.append(element("span", { className: "price", textContent: prices.format(price) }));
    const row = element("li", {}, link, ...(sentence ? [element("p", { textContent: sentence })] : []));
    Object.assign(row.dataset, { itemId: id, recommendationId: slate.id, position });
    return row;
  });
  const title = element("h2", { textContent: heading, id: `offers-${slate.id}` });
  const list = element("ul", { className: "offers" }, ...rows);
  list.setAttribute("role", "list"); // a list without bullets is none to some screen readers
  list.setAttribute("aria-labelledby", title.id);
  return [title, list];
}

function report(place, slate, { collector, token, signature, placement = "", who = {}, inputs = {} }) {
  const waiting = [];
  const send = () => {
    if (!waiting.length) return;
    const address = `${collector}/events${token ? `?token=${encodeURIComponent(token)}` : ""}`;
    navigator.sendBeacon(address, JSON.stringify(waiting.splice(0))); // text/plain: no question ahead
  };
  const put = (event_type, event_id, { dataset }) => {
    const about = { slate_id: slate.id, position: Number(dataset.position), signature, version: slate.version, placement };
    const user = inputs.user_id ? { user_id: inputs.user_id } : {};
    waiting.push({ event_id, event_type, timestamp: Date.now(), item_id: dataset.itemId, ...about, ...user, ...who });
  };
  const timers = new Map();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio } of entries) {
        clearTimeout(timers.get(target));
        if (intersectionRatio < SEEN_SHARE) continue;
        const seen = () => {
          if (document.visibilityState !== "visible") return;
          observer.unobserve(target);
          put("impression", `${slate.id}-${target.dataset.position}`, target);
          setTimeout(send, 100); // items that came into sight together travel together
        };
        timers.set(target, setTimeout(seen, SEEN_MILLISECONDS));
      }
    },
    { threshold: SEEN_SHARE },
  );
  for (const row of place.querySelectorAll("li")) observer.observe(row);
  const clicked = (event) => {
    const row = event.target.closest("a")?.closest("li");
    if (!row || event.button > 1) return;
    put("view", randomId(), row); // the product's page is opened; `slate_id` makes it a click
    send();
  };
  place.addEventListener("click", clicked); // the Enter key on a link is a click
  place.addEventListener("auxclick", clicked); // the middle button
  addEventListener("pagehide", send);
}

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
