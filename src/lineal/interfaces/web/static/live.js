// What happens meanwhile: one connection, closed while nobody looks; where there is none, the page asks now and then.

const POLL_SECONDS = 5;
const TRIES = 3;
const POLLS = 20; // then a connection is tried again

export function follow({ address, changed, arrived, poll }) {
  let source = null;
  let timer = 0;
  let failures = 0;

  function open() {
    if (source || document.hidden) return;
    if (failures >= TRIES || !window.EventSource) return ask();
    source = new EventSource(address);
    source.addEventListener("runs", (event) => {
      failures = 0;
      const news = JSON.parse(event.data);
      if (news.new) arrived(news.new);
      if (news.changed) changed(news.many ? null : news.changed);
    });
    source.onopen = () => { failures = 0; };
    source.onerror = () => {
      failures = source?.readyState === EventSource.CLOSED ? TRIES : failures + 1; // else the browser connects again itself
      if (failures < TRIES) return;
      close();
      ask();
    };
  }

  function ask(times = 0) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (times === POLLS) {
        failures = 0;
        return open();
      }
      if (!document.hidden) poll();
      ask(times + 1);
    }, POLL_SECONDS * 1000);
  }

  function close() {
    source?.close();
    source = null;
    clearTimeout(timer);
  }

  document.addEventListener("visibilitychange", () => {
    close();
    if (document.hidden) return;
    poll(); // what happened while nobody looked
    open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  open();
}
