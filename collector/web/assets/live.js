// Says when the figures on the screen are old, and gets the stream going again.
(() => {
  const live = document.getElementById("live");
  const cut = document.getElementById("cut");
  const silent = 40000; // the centre speaks every 15 s; a dead cable says nothing at all
  let connection = null;
  let heard = Date.now();
  let asked = 0;

  const shown = () => document.getElementById("board").dataset.clock;
  const broken = () => {
    if (document.hidden) return; // htmx ends the stream of a hidden page itself
    document.getElementById("cut-clock").textContent = shown();
    cut.hidden = false;
  };

  live.addEventListener("htmx:sse:after:message", (e) => {
    connection = e.detail.connection;
    heard = Date.now();
    cut.hidden = true;
  });
  live.addEventListener("htmx:sse:error", (e) => {
    if (e.detail.status === 401) location.reload(); // the session is over: show how to sign in
    broken();
  });
  live.addEventListener("htmx:response:error", (e) => {
    if (e.detail.ctx.response.status === 401) location.reload();
    broken();
  });
  live.addEventListener("htmx:error", broken);
  live.addEventListener("htmx:sse:close", () => { connection = null; });
  document.addEventListener("visibilitychange", () => { heard = Date.now(); });

  setInterval(() => {
    if (document.hidden || Date.now() - heard < silent) return;
    broken();
    if (Date.now() - asked < silent) return;
    asked = Date.now();
    if (connection && connection.reader) connection.reader.cancel(); // htmx connects again
    else if (!connection) htmx.trigger(live, "live:again");
  }, 5000);
})();
